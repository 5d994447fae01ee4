"""The folder of a stack: closed to others, held by one, never half written."""

import stat
from pathlib import Path

import pytest

from headrace.files.whole import write_private
from headrace.local.state import StackState, StateDirectory
from headrace.model.errors import ConfigurationError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_closed_to_others_even_when_it_was_open(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.path.mkdir(mode=0o755)
    state.prepare()
    assert {mode(p) for p in (state.path, state.secrets, state.work, state.logs)} == {0o700}


def test_a_second_stack_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    with (
        state.locked(),
        pytest.raises(ConfigurationError, match=r"lives in .* already \(process \d+\)"),
        state.locked(),
    ):
        pytest.fail("two stacks in one folder")  # fmt: skip
    with state.locked():
        pass


def test_the_first_time_there_are_no_settings_and_faulty_ones_are_never_replaced(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    assert state.read_settings() is None
    state.settings.write_text('{"storage": 1}')
    with pytest.raises(ConfigurationError, match=r"settings\.json can't be used"):
        state.read_settings()


def test_a_private_file_is_never_open_to_others(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_stack_tells_is_one_document_that_goes_with_it(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    told = StackState(
        pid=1, started_at=2.0, endpoint="http://127.0.0.1:1", runtime="host", processes={"nats": 3},
        workers={"echo": 1}, wanted={"echo": 2}, reasons={"echo": "files wait"},
    )  # fmt: skip
    state.tell(told)
    assert StackState.from_json(state.stack.read_bytes()) == told
    state.fall_silent()
    state.fall_silent()
    assert not state.stack.exists()
