"""Passwords, authorities and certificates, made of what is passed in and of the system's randomness."""

import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365
RENEWAL_DAYS = 120  # a certificate that ends sooner is made anew by the next `pulumi up`
CLOCK_SLACK = timedelta(minutes=5)  # servers and clients need not agree on the time to the second


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, as PEM."""

    certificate: str
    key: str
    ends: datetime


def password(length: int) -> str:
    """Letters and digits, a letter first: never read as a number, never in need of quotes."""
    rest = string.ascii_letters + string.digits
    return secrets.choice(string.ascii_letters) + "".join(secrets.choice(rest) for _ in range(length - 1))


def authority(name: str, now: datetime) -> Pair:
    """An authority that signs servers' certificates and no other authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    ends = now + timedelta(days=AUTHORITY_DAYS)
    usage = _usage(signs_certificates=True)
    built = (
        _begun(subject, subject, key.public_key(), now, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(_pem(built), _key_pem(key), ends)


def certificate(names: list[str], signer_certificate: str, signer_key: str, now: datetime) -> Pair:
    """A server's certificate for these names, signed by an authority."""
    signer = x509.load_pem_x509_certificate(signer_certificate.encode())
    signing = serialization.load_pem_private_key(signer_key.encode(), None)
    if not isinstance(signing, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is none of an elliptic curve; it was not made here")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    ends = min(now + timedelta(days=CERTIFICATE_DAYS), signer.not_valid_after_utc)
    built = (
        _begun(subject, signer.subject, key.public_key(), now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
        .sign(signing, hashes.SHA256())
    )
    return Pair(_pem(built), _key_pem(key), ends)


def is_due(ends: str, now: datetime) -> bool:
    """Whether what ends at this time (ISO 8601) is to be made anew."""
    return datetime.fromisoformat(ends) - now < timedelta(days=RENEWAL_DAYS)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(built: x509.Certificate) -> str:
    return built.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
