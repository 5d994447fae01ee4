"""`headrace node` and `headrace explain` of functions and nodes, from what a running stack tells."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headrace.cli.docs import docs_base
from headrace.cli.main import app
from headrace.files.wishes import WishesFile
from headrace.local.remembering import MemoryFile
from headrace.local.state import StackState, StateDirectory
from headrace.model.node import NodeState
from headrace.scaler.explaining import Explanation, FunctionStory, NodeStory, PoolStory, Shortfall
from headrace.scaler.learning import BootHistory
from headrace.scaler.lifecycle import NodeMemory
from headrace.scaler.memory import PoolMemory, Remembered
from headrace.scaler.plan import Reason, ReasonCode
from headrace.scaler.snapshot import BootEstimate, ServiceEstimate

NO_ROOM = Reason(ReasonCode.NO_ROOM, "no node has room", {"files": 9})
LIMIT = Reason(ReasonCode.LIMIT, "maxNodes reached")
TOLD = Explanation(
    at=1_700_000_000.0,
    functions=(
        FunctionStory(
            "echo", NO_ROOM, waiting=9, working=1, workers=1, wanted={"local": 2}, request={"cpu": 1000},
            service=ServiceEstimate(2.0, 0.5, 1e-7), oldest=1_699_999_990.0,
            unmet=(Shortfall(LIMIT, 9, 1_700_000_060.0),),
        ),
    ),
    nodes=(
        NodeStory("local", "local", NodeState.BUSY, 1_699_999_000.0,
                  Reason(ReasonCode.FILES_WAIT, "1 of its workers have files"), workers={"echo": 1}),
        NodeStory("gpu-0", "gpu", NodeState.BOOTING, 1_699_999_990.0,
                  Reason(ReasonCode.PROMISE, "for 9 files"), expected=1_700_000_100.0),
    ),
    pools=(
        PoolStory("local", {"cpu": 2000}, {NodeState.BUSY: 1}, 1, 1, BootEstimate(0.0, 0.0)),
        PoolStory("gpu", {"cpu": 8000}, {NodeState.BOOTING: 1}, 0, 4,
                  BootEstimate(90.0, 120.0, failing=True)),
    ),
)  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """What a stack of this very process tells."""
    folder = StateDirectory(tmp_path)
    folder.tell(StackState(pid=os.getpid(), started_at=1.0, endpoint="http://127.0.0.1:1", runtime="host"))
    folder.explain(TOLD)
    return folder


def headrace(state: StateDirectory, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--state", str(state.path)])


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def words(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


# Explain


def test_a_function_is_explained(state: StateDirectory) -> None:
    lines = words(headrace(state, "explain", "echo"))
    assert lines[1:6] == [
        "echo",
        "workers 2 wanted, 1 there, 1 with files",
        "because no node has room (no-room)",
        "waiting 9 files, the oldest for 10 s",
        "coming 1 worker, usually within 2.0 s",
    ]
    assert lines[7] == "a file takes about 0.50 s and 0.10 s a megabyte"
    assert lines[8].startswith("unmet 9 files: maxNodes reached (limit), looked at again by 20")
    assert "node local" not in lines
    assert lines[-1] == f"see {docs_base()}/troubleshooting.md#files-wait-long"


def test_a_node_is_explained(state: StateDirectory) -> None:
    lines = words(headrace(state, "explain", "gpu-0"))
    assert lines[1] == "node gpu-0"
    assert lines[2].startswith("state booting, since 20")
    assert lines[3] == "because for 9 files (promise)"
    assert lines[4].startswith("coming thought to be there by 20")
    assert lines[5:] == [
        "pool gpu",
        "nodes 1 booting; 0 to 4 allowed",
        "each has cpu 8",
        "a boot takes 90 s, planned with 2 min; boots fail lately",
    ]


def test_without_an_argument_all_is_explained(state: StateDirectory) -> None:
    lines = words(headrace(state, "explain"))
    for title in ("echo", "node local", "node gpu-0", "pool local", "pool gpu"):
        assert title in lines


def test_an_explanation_as_a_document_is_what_the_stack_tells(state: StateDirectory) -> None:
    assert document(headrace(state, "explain", "--json")) == json.loads(TOLD.to_json())
    about = TOLD.about("echo")
    assert about is not None
    assert document(headrace(state, "explain", "echo", "--json")) == json.loads(about.to_json())


def test_what_is_neither_function_nor_node_is_refused_with_those_there_are(state: StateDirectory) -> None:
    result = headrace(state, "explain", "ehco")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "'ehco' is no function and no node; known: echo, local, gpu-0" in result.stderr


@pytest.mark.parametrize("command", [("explain",), ("explain", "echo"), ("node", "list")])
def test_without_a_running_stack_nothing_is_explained(
    state: StateDirectory, command: tuple[str, ...]
) -> None:
    state.fall_silent()
    result = headrace(state, *command)
    assert (result.exit_code, "start one with `headrace up`" in result.stderr) == (3, True)


# Nodes


def test_nodes_are_a_row_each_and_a_document(state: StateDirectory) -> None:
    lines = words(headrace(state, "node", "list"))
    assert lines[0] == "node pool state for workers because"
    assert lines[1].startswith("local local busy ")
    assert lines[1].endswith(" 1 1 of its workers have files")
    assert [line.split()[0] for line in lines[1:]] == ["local", "gpu-0"]
    found = document(headrace(state, "node", "list", "--json"))
    assert (found["at"], [each["name"] for each in found["nodes"]]) == (TOLD.at, ["local", "gpu-0"])
    assert found["nodes"][0]["state"] == "busy"


def test_disable_and_enable_say_what_they_do_and_a_dry_run_changes_nothing(state: StateDirectory) -> None:
    commands = (("disable", "local", "--dry-run"), ("disable", "local"), ("disable", "local"),
                ("enable", "local", "--dry-run"), ("enable", "local"))  # fmt: skip
    lines = [words(headrace(state, "node", *each))[0] for each in commands]
    assert lines == [
        "local would be disabled",
        "local is disabled",
        "local is disabled already",
        "local would be enabled",
        "local is enabled",
    ]
    assert WishesFile(state.wishes).enabled() == {"local": True}
    assert document(headrace(state, "node", "disable", "gpu-0", "--json")) == {
        "node": "gpu-0",
        "dryRun": False,
        "wasEnabled": True,
        "enabled": False,
    }
    assert WishesFile(state.wishes).enabled() == {"local": True, "gpu-0": False}


def test_a_stack_that_does_not_run_remembers_its_nodes(state: StateDirectory) -> None:
    state.fall_silent()
    node = NodeMemory("local", NodeState.IDLE)
    MemoryFile(state.memory).keep(Remembered(pools={"local": PoolMemory(BootHistory(0.0), (node,))}))
    assert words(headrace(state, "node", "disable", "local")) == ["local is disabled"]
    assert WishesFile(state.wishes).enabled() == {"local": False}


@pytest.mark.parametrize(
    ("runs", "known"), [(True, "known: local, gpu-0"), (False, "known: none; a stack that has never run")]
)
def test_an_unknown_node_is_refused_with_those_there_are(
    state: StateDirectory, runs: bool, known: str
) -> None:
    if not runs:
        state.fall_silent()
    result = headrace(state, "node", "disable", "lokal")
    assert (result.exit_code, known in result.stderr) == (3, True)
    assert not state.wishes.exists()
