"""Modules of the collection: what is pure in them."""

import hashlib
import importlib.util
from datetime import UTC, datetime
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.toolchain.cluster.certificates import Authority
from tools.roles_reference import ROLES


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROLES.parent / "plugins" / "modules" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def join_token() -> ModuleType:
    return loaded("join_token")


@pytest.fixture(scope="module")
def wake_on_lan() -> ModuleType:
    return loaded("wake_on_lan")


# The hash of an authority's public key is the one that kubeadm prints


def test_the_hash_is_of_the_authoritys_public_key(join_token: ModuleType) -> None:
    certificate = Authority.new(datetime.now(UTC)).certificate
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = certificate.public_bytes(Encoding.PEM).decode()
    assert join_token.hash_of(pem) == f"sha256:{hashlib.sha256(key).hexdigest()}"


def test_the_authority_is_found_in_what_a_cluster_tells_everybody(join_token: ModuleType) -> None:
    config = "clusters:\n- cluster:\n    certificate-authority-data: UEVN\n    server: https://a:6443\n"
    assert join_token.authority_in({"data": {"kubeconfig": config}}) == "PEM"
    with pytest.raises(ValueError, match="has no authority"):
        join_token.authority_in({"data": {"kubeconfig": "clusters: []\n"}})


@pytest.mark.parametrize(
    ("code", "told"), [(401, "does not take the token"), (404, "no ConfigMaps"), (503, "the answer 503")]
)
def test_an_answer_is_told(join_token: ModuleType, code: int, told: str) -> None:
    assert told in join_token._refused(code)


# Magic packets


@pytest.mark.parametrize("mac", ["52:54:00:12:34:56", "52-54-00-12-34-56"])
def test_a_magic_packet_is_six_bytes_and_sixteen_times_the_address(wake_on_lan: ModuleType, mac: str) -> None:
    packet = wake_on_lan.magic_packet(mac)
    assert packet == b"\xff" * 6 + bytes.fromhex("525400123456") * 16


@pytest.mark.parametrize("mac", ["", "52:54:00:12:34", "52:54:00:12:34:5g", "52:54:00:12:34:56:78"])
def test_what_is_no_address_is_refused(wake_on_lan: ModuleType, mac: str) -> None:
    with pytest.raises(ValueError, match="allowed an address such as 52:54:00:12:34:56"):
        wake_on_lan.magic_packet(mac)
