"""The module join_token: the hash of an authority's public key is the one that kubeadm prints."""

import hashlib
import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.toolchain.cluster.certificates import Authority

PATH = Path(__file__).parents[2] / "ansible" / "plugins" / "modules" / "join_token.py"


@pytest.fixture(scope="module")
def join_token() -> ModuleType:
    spec = importlib.util.spec_from_file_location("join_token", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
