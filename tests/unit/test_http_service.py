"""How a service that is an HTTP server begins and ends: what its exit says, and what it never says."""

import signal
from collections.abc import Iterator

import pytest

from headrace.health.http_service import run_service, server_of
from headrace.model.errors import ConfigurationError
from headrace.model.settings import Settings
from tests.unit.api_bench import settings_of


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def _no_handlers(monkeypatch) -> None:
    monkeypatch.setattr("headrace.health.http_service.configure_logging", lambda _: None)


def _ended(path, serve) -> object:
    with pytest.raises(SystemExit) as ended:
        run_service("status", path, serve)
    return ended.value.code


async def _idle(_: Settings) -> None:
    return None


def test_settings_that_are_not_there_end_it_with_the_reason(tmp_path):
    path = tmp_path / "none.json"
    assert str(_ended(path, _idle)).startswith(f"status: the settings {path} can't be read: ")


def test_settings_that_are_faulty_end_it_with_the_places_and_without_a_value(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(settings_of().to_json().replace(b'"hook"', b'["hush"]'))
    assert _ended(path, _idle) == f"status: the settings {path} can't be used: faulty are receiver.token"


def test_what_it_can_t_go_on_with_ends_it_with_the_reason(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(settings_of().to_json())

    async def refused(_: Settings) -> None:
        raise ConfigurationError("free that port")

    assert _ended(path, refused) == "status: free that port"


def test_it_is_given_its_settings_and_ends_quietly(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(settings_of().to_json())
    given: list[Settings] = []

    async def serve(settings: Settings) -> None:
        given.append(settings)

    run_service("status", path, serve)
    assert given == [settings_of()]


def test_ctrl_c_is_no_fault(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(settings_of().to_json())

    async def interrupted(_: Settings) -> None:
        raise KeyboardInterrupt

    assert _ended(path, interrupted) == 0


def test_a_server_listens_where_it_is_told_and_gives_calls_some_time():
    config = server_of(lambda *_: None, host="127.0.0.1", port=7, grace_seconds=3).config
    assert (config.host, config.port, config.timeout_graceful_shutdown) == ("127.0.0.1", 7, 3)
    assert (config.access_log, config.log_config) == (False, None)
