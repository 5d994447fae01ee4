"""The same scripts under OSCAR's own supervisor (faas-supervisor) and under a worker, side by side."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.model.settings import StorageSettings
from tests.bench.oscar import LOCK, install_supervisor
from tests.bench.side_by_side import Case, by_headrace, by_oscar
from tests.fixtures.seaweedfs import SeaweedServer
from tests.toolchain.places import Places


@pytest.fixture(scope="session")
def supervisor() -> Path:
    """The Python that has it, installed once a machine."""
    stamp = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    base = Places.of(os.environ).root / f"oscar-{stamp}"
    base.parent.mkdir(parents=True, exist_ok=True)
    with base.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "installed").exists():
            try:
                install_supervisor(base)
            except subprocess.CalledProcessError as error:
                if os.environ.get("CI") == "true":
                    raise
                pytest.skip(f"OSCAR's supervisor can't be installed: {error}")
            (base / "installed").touch()
    return base / "bin" / "python"


@pytest.fixture
def store(seaweedfs: SeaweedServer) -> StorageSettings:
    return seaweedfs.options.storage


OUT = '"$TMP_OUTPUT_DIR/'
ALIKE = {
    "one result": Case(f'tr a-z A-Z <"$INPUT_FILE_PATH" >{OUT}$(basename "$INPUT_FILE_PATH")"'),
    "sub-folders": Case(f'mkdir -p {OUT}a/b"; echo 1 >{OUT}a/b/one"; echo 2 >{OUT}two"'),
    "no result": Case("true"),
    "an empty result": Case(f': >{OUT}empty"'),
    "hidden files": Case(f'mkdir {OUT}.d"; echo 1 >{OUT}.d/.one"'),
    "any prefix and any suffix": Case(
        f'for n in a.x a.y b.x c.x; do echo $n >{OUT}$n"; done',
        filters={"prefix": ["a", "c"], "suffix": [".x", ".z"]},
    ),
    "a filter looks at the folders too": Case(
        f'mkdir {OUT}sub"; for n in sub/a a sub-b; do echo $n >{OUT}$n"; done',
        filters={"prefix": ["sub/", "sub-"]},
    ),
    "a link to a file": Case(f'ln -s "$INPUT_FILE_PATH" {OUT}link"; ln -s "$TMP_INPUT_DIR" {OUT}folder"'),
    "the input is renamed and changed": Case(
        f'mv "$INPUT_FILE_PATH" "$INPUT_FILE_PATH.png"; echo more >>"$INPUT_FILE_PATH.png"\n'
        f'cp "$TMP_INPUT_DIR"/*.png {OUT}out"'
    ),
    "work in the input's folder": Case(
        f'cd "$TMP_INPUT_DIR" && mkdir unpacked && cp "$INPUT_FILE_PATH" unpacked/a && mv unpacked {OUT}"'
    ),
    "names": Case(
        f'echo "$STORAGE_OBJECT_KEY" | sed "s,.*in/,," >{OUT}key"; basename "$INPUT_FILE_PATH" >{OUT}name"',
        key="day 1/größe + 100%.txt",
    ),
    "folders of the input": Case(f'cp "$INPUT_FILE_PATH" {OUT}result"', key="a/b/c.txt"),
    "the first line": Case(f'#!/bin/false\necho ran >{OUT}out"'),
    "standard input": Case(f'cat >{OUT}stdin"'),
    "variables": Case(f'echo "$ONE" >{OUT}one"', variables={"ONE": 'it\'s $HOME "1"'}),
    "a mode of its own": Case(f'umask 077; mkdir {OUT}d"; echo 1 >{OUT}d/one"; chmod 0 {OUT}d/one" || true'),
    "what the event says": Case(
        'printf "%s" "$EVENT" | grep -oE \'"(eventSource|name)": "[^"]*"\' >' + f'{OUT}found"'
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in ALIKE.items()])
async def test_a_script_gives_the_same_files_under_the_same_keys(tmp_path, supervisor, store, case):
    theirs, ours = await by_oscar(supervisor, store, case), await by_headrace(tmp_path, case)
    assert (theirs.failure, ours.failure) == ("", "")
    assert ours.files == theirs.files


@pytest.mark.parametrize("code", [1, 3, 127])
async def test_a_script_that_fails_is_a_success_there_and_a_failure_here(tmp_path, supervisor, store, code):
    case = Case(f'echo half >{OUT}half"; exit {code}')
    theirs, ours = await by_oscar(supervisor, store, case), await by_headrace(tmp_path, case)
    assert (theirs.failure, theirs.files) == ("", {"half": b"half\n"})
    assert (ours.failure, ours.files) == (f"exit code {code}", {})


async def test_a_link_that_leads_nowhere_breaks_the_job_there_and_is_told_here(tmp_path, supervisor, store):
    case = Case(f'ln -s /nowhere {OUT}gap"; echo 1 >{OUT}one"')
    theirs, ours = await by_oscar(supervisor, store, case), await by_headrace(tmp_path, case)
    assert "No such file" in theirs.failure
    assert (ours.failure, ours.files) == ("", {"one": b"1\n"})
    assert "gap is neither a file nor a link to one" in ours.printed


async def test_a_name_that_is_no_utf8_fails_both(tmp_path, supervisor, store):
    case = Case(f'echo 1 >{OUT}$(printf "\\377")"')
    theirs, ours = await by_oscar(supervisor, store, case), await by_headrace(tmp_path, case)
    assert (theirs.failure != "", theirs.files) == (True, {})
    assert "not UTF-8" in ours.failure
