"""What a stack leaves in its folder: why it decided as it did, what it learned, what people wish of nodes."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.files.wishes import WishesFile, wish
from headrace.local.remembering import MemoryFile
from headrace.local.state import StackState, StateDirectory
from headrace.local.telling import FIGURES_SECONDS, Bulletin
from headrace.scaler.explaining import Explanation, FunctionStory
from headrace.scaler.learning import ServiceHistory
from headrace.scaler.memory import UNSEEN, FunctionMemory, Remembered
from headrace.scaler.plan import Reason, ReasonCode
from tests.fixtures.clock import VirtualClock

STATE = StackState(pid=1, started_at=2.0, endpoint="http://127.0.0.1:1", runtime="host")
STORY = FunctionStory(
    "echo", Reason(ReasonCode.FILES_WAIT, "they wait"), waiting=5, working=1, workers=1, wanted={"local": 1},
    request={"cpu": 1000}, service=UNSEEN,
)  # fmt: skip


def told(at: float, **changes: object) -> Explanation:
    return Explanation(at=at, functions=(replace(STORY, **changes),))


@pytest.mark.parametrize(
    ("changes", "seconds", "written"),
    [
        ({}, 9.0, False),
        ({"waiting": 4}, 0.2, False),
        ({"waiting": 4}, FIGURES_SECONDS, True),
        ({"wanted": {"local": 2}}, 0.2, True),
        ({"reason": Reason(ReasonCode.NO_ROOM, "they wait")}, 0.2, True),
    ],
)
def test_a_decision_is_told_when_it_changes_and_its_figures_less_often(
    tmp_path: Path, changes: dict[str, object], seconds: float, written: bool
) -> None:
    clock, state = VirtualClock(), StateDirectory(tmp_path)
    bulletin = Bulletin(state, clock.now)
    bulletin.tell(STATE, told(1.0))
    assert Explanation.from_json(state.plan.read_bytes()) == told(1.0)
    clock.advance(seconds)
    bulletin.tell(STATE, told(1.0 + seconds, **changes))
    assert (Explanation.from_json(state.plan.read_bytes()).at != 1.0) is written
    state.fall_silent()
    assert not state.plan.exists()


def test_what_was_learned_is_kept_closed_to_others(tmp_path: Path) -> None:
    keeper = MemoryFile(tmp_path / "scaler.json")
    assert keeper.read() == Remembered()
    learned = Remembered(functions={"echo": FunctionMemory(ServiceHistory(UNSEEN).observed(1, 2, 3.0))})
    keeper.keep(learned)
    assert keeper.read() == learned
    assert stat.S_IMODE(keeper.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"functions": 1}', b'{"pools": {"local": {"boots": {}}}}', b"\xff"]
)
def test_a_broken_memory_is_set_aside_and_begun_anew(
    tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = MemoryFile(tmp_path / "scaler.json")
    keeper.path.write_bytes(text)
    assert keeper.read() == Remembered()
    assert (tmp_path / "scaler.json.broken").read_bytes() == text
    assert not keeper.path.exists()
    assert "scaler.json is set aside as scaler.json.broken" in caplog.text


def test_wishes_are_heeded_as_soon_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    wishes = WishesFile(path)
    assert wishes.enabled() == {}
    wish(path, "local", enabled=False)
    assert wishes.enabled() == {"local": False}
    wish(path, "other", enabled=False)
    wish(path, "local", enabled=True)
    assert wishes.enabled() == {"local": True, "other": False}


def test_a_broken_wish_is_set_aside_and_the_last_good_one_holds(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    wishes = WishesFile(path)
    wish(path, "local", enabled=False)
    assert wishes.enabled() == {"local": False}
    path.write_text('{"enabled": {"local": "maybe, who knows"}}')
    assert wishes.enabled() == {"local": False}
    assert (tmp_path / "nodes.json.broken").exists()
