"""No secret leaves for a queue server that goes without TLS though it is demanded."""

from types import SimpleNamespace

import pytest
from nats.aio.client import Client

from headrace.model.errors import ConfigurationError
from headrace.model.settings import QueueSettings
from headrace.queue.jetstream_login import login

PLAIN = "nats://127.0.0.1:1"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What a server got that never asks for TLS."""
    got: list[object] = []

    async def connect(self: Client, url: str, **options: object) -> None:
        asked = SimpleNamespace(**options)
        got.extend(each() for each in (asked.password, asked.token) if callable(each))

    async def close(self: Client) -> None: ...

    monkeypatch.setattr(Client, "connect", connect)
    monkeypatch.setattr(Client, "close", close)
    monkeypatch.setattr(Client, "is_connected", True)
    return got


async def _noted(_: object) -> None: ...


@pytest.mark.parametrize(
    "settings",
    [
        QueueSettings(url="tls://127.0.0.1:1", user="events", password="secret"),
        QueueSettings(url="tls://127.0.0.1:1", token="secret"),
        QueueSettings(url="tls://127.0.0.1:1"),
    ],
    ids=["password", "token", "no secret"],
)
async def test_a_server_without_tls_gets_no_secret_where_tls_is_demanded(
    sent: list[object], settings: QueueSettings
) -> None:
    with pytest.raises(ConfigurationError, match="offers no TLS"):
        await login(settings, on_error=_noted, on_loss=_noted)
    assert sent == []


async def test_a_server_without_tls_gets_the_secret_where_none_is_demanded(sent: list[object]) -> None:
    await login(QueueSettings(url=PLAIN, token="secret"), on_error=_noted, on_loss=_noted)
    assert sent == ["secret"]
