"""A store without a key in the settings: both roads take what the pod's identity gives, and renew it."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.settings import StorageSettings
from headrace.storage.s3 import S3Storage
from tests.fixtures.aws import REGION, Aws, PodIdentity

FAST, SURE = "k", "odd//key"  # the road that each key takes


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of whoever runs the tests, and no question to an instance's metadata."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@dataclass
class Pod:
    """A pod whose identity may use one bucket, and its store."""

    bucket: str
    identity: PodIdentity
    storage: S3Storage


@pytest.fixture
async def pod(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pod]:
    name = f"pod-{secrets.token_hex(4)}"
    own = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    role = aws.role(name, {"Effect": "Allow", "Action": "s3:*", "Resource": own})
    aws.bucket(name)
    identity = PodIdentity(role, tmp_path)
    for variable, value in identity.environment.items():
        monkeypatch.setenv(variable, value)
    storage = S3Storage(aws.storage)
    yield Pod(name, identity, storage)
    await storage.close()
    identity.close()


async def test_both_roads_sign_with_the_pods_key(pod: Pod) -> None:
    for key in (FAST, SURE):
        await pod.storage.put(pod.bucket, key, b"one")
        assert await pod.storage.read(pod.bucket, key) == b"one"
        assert await pod.storage.create(pod.bucket, f"{key}-new", b"")
        assert not await pod.storage.create(pod.bucket, f"{key}-new", b"")
        await pod.storage.copy((pod.bucket, key), (pod.bucket, f"{key}-copy"))
    keys = {FAST, SURE}
    found = {info.key async for info in pod.storage.list(pod.bucket)}
    assert found == keys | {f"{key}-{end}" for key in keys for end in ("new", "copy")}


async def test_a_key_that_lives_on_is_asked_for_once_a_road(pod: Pod) -> None:
    for _ in range(3):
        for key in (FAST, SURE):
            await pod.storage.put(pod.bucket, key, b"one")
    assert len(pod.identity.given) == 2


@pytest.mark.parametrize("key", [FAST, SURE])
async def test_a_key_is_renewed_before_it_ends_with_the_token_that_the_file_then_holds(
    pod: Pod, key: str
) -> None:
    pod.identity.lifetime = timedelta(minutes=4)
    await pod.storage.put(pod.bucket, key, b"one")
    pod.identity.rotate("second")
    before = len(pod.identity.given)
    while len(pod.identity.given) == before:  # obstore keeps any key for a tenth of a second
        await pod.storage.put(pod.bucket, key, b"two")


@pytest.mark.parametrize("key", [FAST, SURE])
async def test_what_the_role_may_not_is_the_configurations_fault(pod: Pod, aws: Aws, key: str) -> None:
    other = f"{pod.bucket}-other"
    aws.bucket(other)
    with pytest.raises(ConfigurationError, match="access denied"):
        await pod.storage.put(other, key, b"")


@pytest.mark.parametrize("key", [FAST, SURE])
async def test_while_nobody_gives_the_pod_its_key_the_store_is_away(pod: Pod, key: str) -> None:
    token, pod.identity.token = pod.identity.token, "another"
    with pytest.raises(TransientError):
        await pod.storage.put(pod.bucket, key, b"")
    pod.identity.token = token
    await pod.storage.put(pod.bucket, key, b"")


@pytest.mark.parametrize("key", [FAST, SURE])
async def test_a_process_without_any_key_is_told_so(key: str) -> None:
    storage = S3Storage(StorageSettings(endpoint="http://127.0.0.1:1", region=REGION))
    with pytest.raises(ConfigurationError, match="the settings name no key, and this process has none"):
        await storage.head("b", key)
    await storage.close()
