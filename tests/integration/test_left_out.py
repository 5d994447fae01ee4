"""What a run left out is told alike by one process and by several."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = "tests.fixtures.left_out"
TESTS: Mapping[str, str] = {
    "test_one.py": """
import pytest

def test_passes(): pass

@pytest.mark.parametrize("number", [1, 2])
def test_skips(number): pytest.skip("no such engine")

@pytest.mark.long
def test_takes_minutes(): raise AssertionError
""",
    "test_two.py": """
import pytest

def test_passes(): pass

@pytest.mark.long
def test_takes_minutes_too(): raise AssertionError

@pytest.mark.other
def test_other(): raise AssertionError
""",
    "test_three.py": "import pytest\npytest.skip('no such library', allow_module_level=True)\n",
}
SKIPPED = [
    "no such library: test_three.py",
    "no such engine: test_one.py::test_skips (2 cases)",
]
LONG = "test_one.py::test_takes_minutes, test_two.py::test_takes_minutes_too"
DESELECTED = [
    f"takes minutes, run by `make e2e-long`: {LONG}",
    "not asked for by the command line: 1 tests",
]


def run(folder: Path, *arguments: str, ci: str = "") -> tuple[int, list[str]]:
    """Its exit code, and the lines of the section on what was left out."""
    for name, text in TESTS.items():
        (folder / name).write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  long: x\n  other: x\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-m", "not long and not other", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "CI": ci, "PYTEST_ADDOPTS": ""},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    (start,) = [number for number, line in enumerate(lines) if "left out on this machine" in line]
    return done.returncode, [line for line in lines[start + 1 :] if line and not line.startswith("=")]


@pytest.mark.parametrize("arguments", [(), ("-p", "no:xdist"), ("-n2", "--dist=loadfile")])
def test_what_was_left_out_is_told_once_however_many_processes_ran_the_tests(tmp_path, arguments):
    assert run(tmp_path, *arguments) == (0, [*SKIPPED, *DESELECTED])


@pytest.mark.parametrize("arguments", [(), ("-n2", "--dist=loadfile")])
def test_a_skip_fails_the_run_on_a_server_however_many_processes_ran_the_tests(tmp_path, arguments):
    failure = "CI=true: whatever is skipped fails the run"
    assert run(tmp_path, *arguments, ci="true") == (1, [*SKIPPED, *DESELECTED, failure])
