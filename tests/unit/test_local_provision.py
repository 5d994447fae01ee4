"""The settings of a stack: made once, kept, adapted only where they no longer fit."""

import json
import shlex
import socket
import stat
from pathlib import Path

import pytest

from headrace.files.whole import write_private
from headrace.local import provision as module
from headrace.local.provision import (
    Ports,
    adapted,
    client_environment,
    fresh_settings,
    page_address,
    ports_of,
    provision,
)
from headrace.local.state import StateDirectory
from headrace.model.api import ApiUser, StoreKey
from headrace.model.settings import Settings, StorageSettings
from headrace.model.status_page import StatusSettings


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    found = StateDirectory(tmp_path / "state")
    found.prepare()
    return found


def test_settings_name_their_ports_and_folders(state: StateDirectory) -> None:
    settings = fresh_settings(state, Path("/functions"), Ports(1, 2, 3, 4, 5))
    assert ports_of(settings) == Ports(1, 2, 3, 4, 5)
    assert (settings.storage.endpoint, settings.queue.url) == ("http://127.0.0.1:1", "nats://127.0.0.1:2")
    assert settings.functions_directory == "/functions"
    assert settings.worker.secrets_directory == str(state.secrets)


def test_every_stack_has_keys_of_its_own(state: StateDirectory) -> None:
    made = [fresh_settings(state, Path("/f"), Ports(1, 2, 3, 4, 5)) for _ in range(2)]
    secrets = {s for m in made for s in (m.storage.secret_key, m.queue.token, m.receiver.token)}
    assert len(secrets) == 6
    assert min(len(secret) for secret in secrets) >= 32


def _user(settings: Settings) -> ApiUser:
    assert settings.api is not None
    return settings.api.users[0]


def test_the_api_s_user_has_the_store_s_key_and_a_password_of_his_own(state: StateDirectory) -> None:
    settings = fresh_settings(state, Path("/f"), Ports(1, 2, 3, 4, 5))
    user = _user(settings)
    assert (user.tenant, user.store) == (
        None,
        StoreKey(access_key=settings.storage.access_key, secret_key=settings.storage.secret_key),
    )
    assert user.password not in {settings.storage.secret_key, settings.receiver.token}
    assert user.password in settings.secrets


def _status(settings: Settings) -> StatusSettings:
    assert settings.status is not None
    return settings.status


def test_a_stack_from_before_the_api_and_the_status_page_gets_both(state: StateDirectory) -> None:
    fresh = fresh_settings(state, Path("/f"), Ports(1, 2, 3, 4, 5))
    old = fresh.model_copy(update={"api": None, "status": None})
    write_private(state.settings, old.to_json())
    found = provision(state, Path("/f"))
    assert found.storage.secret_key == old.storage.secret_key
    assert min(ports_of(found).api, ports_of(found).status) > 0
    assert provision(state, Path("/f")) == found


def test_the_page_s_token_is_the_stack_s_own_and_leads_in_by_a_file_that_nobody_else_reads(
    state: StateDirectory,
) -> None:
    made = [provision(state, Path("/f")), fresh_settings(state, Path("/f"), Ports(1, 2, 3, 4, 5))]
    first, second = (_status(each).token for each in made)
    assert first != second
    assert first in made[0].secrets
    assert f"{page_address(made[0])}#token={first}" in state.page.read_text()
    assert stat.S_IMODE(state.page.stat().st_mode) == 0o600


def test_the_page_is_told_where_this_stack_s_scaler_tells_and_reads(state: StateDirectory) -> None:
    status = _status(fresh_settings(state, Path("/f"), Ports(1, 2, 3, 4, 5)))
    assert (status.plan_file, status.wishes_file) == (str(state.plan), str(state.wishes))


def test_adapting_keeps_keys_and_choices(state: StateDirectory) -> None:
    settings = fresh_settings(state, Path("/f"), Ports(1, 2, 3, 4, 5))
    chosen = settings.model_copy(update={"buckets": {"uploads": "real-uploads"}})
    moved = adapted(chosen, state, Path("/other"), Ports(5, 6, 7, 8, 9))
    assert (moved.storage.secret_key, moved.buckets) == (chosen.storage.secret_key, chosen.buckets)
    assert (ports_of(moved), moved.functions_directory) == (Ports(5, 6, 7, 8, 9), "/other")


def test_the_second_time_all_is_as_it_was(state: StateDirectory) -> None:
    first = provision(state, Path("/f"))
    assert provision(state, Path("/f")) == first
    assert state.read_settings() == first
    assert {stat.S_IMODE(p.stat().st_mode) for p in (state.settings, state.client)} == {0o600}


def test_only_a_port_that_is_taken_is_chosen_anew(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PORT_WAIT_SECONDS", 0.0)
    first = ports_of(provision(state, Path("/f")))
    with socket.create_server(("127.0.0.1", first.queue)):
        second = ports_of(provision(state, Path("/f")))
    assert (second.store, second.receiver) == (first.store, first.receiver)
    assert second.queue != first.queue


def test_the_lines_for_clients_are_what_a_shell_reads(state: StateDirectory) -> None:
    settings = fresh_settings(state, Path("/f"), Ports(1, 2, 3, 4, 5))
    lines = [shlex.split(line) for line in client_environment(settings).splitlines()]
    found = dict(word.split("=", 1) for _, word in lines)
    assert {command for command, _ in lines} == {"export"}
    assert found == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": settings.storage.access_key,
        "AWS_SECRET_ACCESS_KEY": settings.storage.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "HEADRACE_API": "http://127.0.0.1:4",
        "HEADRACE_API_USER": "oscar",
        "HEADRACE_API_PASSWORD": _user(settings).password,
        "HEADRACE_STATUS": "http://127.0.0.1:5/",
        "HEADRACE_STATUS_TOKEN": _status(settings).token,
    }


def test_what_is_left_to_aws_is_left_to_the_shell(state: StateDirectory) -> None:
    settings = fresh_settings(state, Path("/f"), Ports(1, 2, 3, 4, 5))
    without = {"storage": StorageSettings(region="eu-central-1"), "api": None, "status": None}
    aws = settings.model_copy(update=without)
    assert client_environment(aws) == "export AWS_DEFAULT_REGION='eu-central-1'\n"


def test_secrets_do_not_show_when_settings_are_printed(state: StateDirectory) -> None:
    settings = fresh_settings(state, Path("/f"), Ports(1, 2, 3, 4, 5))
    secrets = json.loads(settings.to_json())["storage"]["secretKey"], settings.queue.token
    assert all(secret not in repr(settings) for secret in secrets)
