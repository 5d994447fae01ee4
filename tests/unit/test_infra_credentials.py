"""Passwords, authorities and certificates: what they are, and when they are made anew."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from infra.credentials import making
from infra.credentials.providing import AuthorityMaker, CertificateMaker, PasswordMaker

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NAMES = ["nats.headrace.svc", "nats"]


def test_a_password_is_of_letters_and_digits_with_a_letter_first():
    found = {making.password(40) for _ in range(200)}
    assert len(found) == 200
    assert all(each.isascii() and each.isalnum() and each[0].isalpha() and len(each) == 40 for each in found)


def test_a_certificate_is_trusted_for_its_names_by_its_authority_alone():
    authority, other = making.authority("ours", NOW), making.authority("theirs", NOW)
    pair = making.certificate(NAMES, authority.certificate, authority.key, NOW)
    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
    assert _verified(certificate, authority, "nats.headrace.svc")
    assert _verified(certificate, authority, "nats")
    with pytest.raises(x509.verification.VerificationError):
        _verified(certificate, authority, "elsewhere.svc")
    with pytest.raises(x509.verification.VerificationError):
        _verified(certificate, other, "nats")


def _verified(certificate: x509.Certificate, authority: making.Pair, name: str) -> bool:
    store = Store([x509.load_pem_x509_certificate(authority.certificate.encode())])
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName(name))
    return bool(verifier.verify(certificate, []))


def test_a_key_pair_is_one_that_openssl_takes(tmp_path):
    authority = making.authority("ours", NOW)
    pair = making.certificate(NAMES, authority.certificate, authority.key, NOW)
    (tmp_path / "tls.crt").write_text(pair.certificate)
    (tmp_path / "tls.key").write_text(pair.key)
    ssl.create_default_context(cadata=authority.certificate)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")


def test_no_certificate_outlives_its_authority():
    authority = making.authority("ours", NOW - timedelta(days=making.AUTHORITY_DAYS - 10))
    pair = making.certificate(NAMES, authority.certificate, authority.key, NOW)
    assert pair.ends == authority.ends.replace(microsecond=0)


@pytest.mark.parametrize(
    ("days", "due"), [(making.RENEWAL_DAYS + 1, False), (making.RENEWAL_DAYS - 1, True), (-1, True)]
)
def test_what_ends_before_long_is_due(days, due):
    assert making.is_due((NOW + timedelta(days=days)).isoformat(), NOW) is due


def test_a_password_stays_until_its_rotation_or_length_changes():
    maker = PasswordMaker()
    made = maker.create({"length": 40, "rotation": 1}).outs
    same = maker.diff("id", made, {"length": 40, "rotation": 1, "value": None})
    assert (same.changes, same.replaces) == (False, [])
    for change in ({"rotation": 2}, {"length": 50}):
        diff = maker.diff("id", made, {"length": 40, "rotation": 1, **change})
        assert (diff.changes, diff.replaces) == (True, list(change))


def test_a_certificate_is_made_anew_with_its_authority_and_before_it_ends():
    authority = AuthorityMaker().create({"name": "ours", "rotation": 1}).outs
    inputs = {
        "names": NAMES,
        "authority": authority["certificate"],
        "authority_key": authority["key"],
        "rotation": 1,
    }
    maker = CertificateMaker()
    made = maker.create(inputs).outs
    assert set(made) == {"names", "authority", "rotation", "certificate", "key", "ends"}, "no key of another"
    assert maker.diff("id", made, inputs).changes is False
    other = AuthorityMaker().create({"name": "ours", "rotation": 2}).outs["certificate"]
    assert maker.diff("id", made, {**inputs, "authority": other}).replaces == ["authority"]
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert maker.diff("id", {**made, "ends": soon}, inputs).replaces == ["ends"]
