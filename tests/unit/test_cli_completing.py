"""What a shell is offered: read from the state folder alone, and nothing where that tells nothing."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.cli.completing import failed_tasks, function_names, node_names, subjects
from headrace.cli.deferred import Deferred, Entry
from headrace.model.errors import ConfigurationError


def context(state: Path, **params: Any) -> Any:
    return SimpleNamespace(params={"state": state, **params})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    functions = tmp_path / "functions"
    for name in ("echo", "thumbnail", ".hidden"):
        (functions / name).mkdir(parents=True)
        (functions / name / "function.yaml").touch()
    (functions / "no-function").mkdir()
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps({"functionsDirectory": str(functions)}))
    (folder / "scaler.json").write_text(json.dumps({"pools": {"local": {"nodes": [{"name": "local"}]}}}))
    return folder


def test_functions_are_those_of_the_stacks_folder(state: Path) -> None:
    assert function_names(context(state), "") == ["echo", "thumbnail"]
    assert function_names(context(state), "th") == ["thumbnail"]


def test_functions_of_a_connected_cluster_are_its_objects(state: Path) -> None:
    objects = state / "functions"
    objects.mkdir()
    (objects / "lab.echo.json").touch()
    settings = {"functionsDirectory": str(objects), "kubernetes": {"namespace": "x"}}
    (state / "settings.json").write_text(json.dumps(settings))
    assert function_names(context(state), "lab") == ["lab.echo"]


def test_before_there_is_a_stack_functions_are_those_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "functions" / "mine").mkdir(parents=True)
    (tmp_path / "functions" / "mine" / "function.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert function_names(context(tmp_path / "none"), "") == ["mine"]


def test_nodes_are_those_of_the_plan_and_of_the_scalers_memory(state: Path) -> None:
    (state / "plan.json").write_text(json.dumps({"nodes": [{"name": "node-1"}, {"name": "local"}]}))
    assert node_names(context(state), "") == ["local", "node-1"]
    assert subjects(context(state), "") == ["echo", "local", "node-1", "thumbnail"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"functionsDirectory": 3, "pools": 3}'])
def test_a_folder_that_tells_nothing_sound_is_no_error(tmp_path: Path, text: str) -> None:
    for name in ("settings.json", "scaler.json", "plan.json"):
        (tmp_path / name).write_text(text)
    for offer in (function_names, node_names, subjects):
        assert offer(context(tmp_path), "zzz") == []


def test_tasks_are_not_offered_where_no_store_can_be_asked(tmp_path: Path) -> None:
    assert failed_tasks(context(tmp_path, function="echo"), "") == []


def test_a_command_that_lacks_a_package_is_completed_without_an_error() -> None:
    lacking = Deferred(Entry("x", "module_that_nobody_has", "x", "Help."))
    assert lacking.make_context("x", ["--some"], resilient_parsing=True).command is lacking
    with pytest.raises(ConfigurationError):
        lacking.make_context("x", [])
