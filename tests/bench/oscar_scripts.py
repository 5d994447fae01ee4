"""`python -m tests.bench.oscar_scripts REPOSITORY ...`: OSCAR's scripts under its supervisor and under ours.

Every script of the repositories (grycap/oscar, grycap/oscar-hub; a clone of any kind) that reads a file or
writes results is run on two files, in both: the table goes into docs/from-oscar.md. What a script needs
beyond a shell and small tools is stood in for, by a program that writes where its arguments say.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.local.process import free_ports
from headrace.local.seaweedfs import SeaweedOptions, start_seaweedfs, stop_seaweedfs
from headrace.model.settings import StorageSettings
from tests.bench.figures import table
from tests.bench.oscar import install_supervisor
from tests.bench.side_by_side import Case, Result, by_headrace, by_oscar

STOOD_IN = (
    "convert", "magick", "identify", "curl", "deepaas-cli", "deepaas-predict", "ffmpeg", "python", "python2",
    "python3", "tts", "aws",
)  # fmt: skip
STAND_IN = r"""#!/bin/sh
name=${0##*/}
for each; do
  each=${each#*=}
  case $each in
    *%*d*) each=$(printf "$each" 1) ;;
  esac
  case $each in
    "$TMP_OUTPUT_DIR"/*) [ ! -d "$each" ] && { echo "$name"; cat "$INPUT_FILE_PATH"*; } >"$each" ;;
  esac
  if [ -d "$each" ] && [ "${each%/}" = "$TMP_OUTPUT_DIR" ]; then echo "$name" >"$each/$name.out"; fi
done
echo "{'status': '$name'}"
"""
LEFT_OUT = {
    "examples/compss/": "starts daemons of its image",
    "examples/rucio/": "is given a folder of a Rucio data set",
    "examples/thermal-detector-interlink/": "copies its image's /srv",
}
VARIABLES = {"SLEEP_SECONDS": "1", "INPUT_TYPE": "text", "SEND_SNS": "false", "language": "en"}
CLOCK = re.compile(rb"\d{8}T\d{6}Z|\b\d{10}\b|\b\d+ ms \([0-9.]+ s\)")  # of the two runs, which differ by it
KEYS = ("sample.txt", "day 1/sample two_en.txt")


@dataclass(frozen=True, slots=True)
class Script:
    """A script by its path in its repository."""

    path: str
    text: str


def scripts(repository: Path) -> Iterator[Script]:
    """Those that read a file or write results."""
    git = ["git", "-C", str(repository)]
    listed = subprocess.run([*git, "ls-tree", "-r", "--name-only", "HEAD"], check=True, capture_output=True)
    for path in listed.stdout.decode().splitlines():
        if path.endswith(".sh") and path.startswith(("examples/", "crates/", "template/")):
            shown = subprocess.run([*git, "show", f"HEAD:{path}"], check=True, capture_output=True)
            text = shown.stdout.decode()
            if "INPUT_FILE_PATH" in text or "TMP_OUTPUT_DIR" in text:
                yield Script(path, text)


def verdict(theirs: Result, ours: Result) -> str:
    """What the two results are to each other."""
    if theirs.failure:
        return f"OSCAR's job fails: {theirs.failure}"
    if ours.failure:
        return f"fails here ({ours.failure}); OSCAR's job succeeds"
    if _timeless(theirs) == _timeless(ours):
        return "the same"
    return f"DIFFERENT: {sorted(theirs.files)} and {sorted(ours.files)}"


def _timeless(result: Result) -> dict[bytes, bytes]:
    return {CLOCK.sub(b"T", key.encode()): CLOCK.sub(b"T", body) for key, body in result.files.items()}


async def compared(script: Script, python: Path, store: StorageSettings) -> list[str]:
    """The row of one script."""
    said, files = [], []
    for key in KEYS:
        case = Case(script.text, key, b"1", VARIABLES)
        with tempfile.TemporaryDirectory() as base:
            theirs, ours = await by_oscar(python, store, case), await by_headrace(Path(base), case)
        said.append(verdict(theirs, ours))
        files.append(str(len(theirs.files)))
    told = (
        said[0]
        if len(set(said)) == 1
        else "; ".join(f"`{key}`: {one}" for key, one in zip(KEYS, said, strict=True))
    )
    return [f"`{script.path}`", " and ".join(dict.fromkeys(files)), told]


async def measure(base: Path, repositories: Sequence[Path]) -> str:
    """The table."""
    python = install_supervisor(base / "oscar")
    options = SeaweedOptions(base / "store", free_ports(1)[0], "bench", "bench-secret")
    server = start_seaweedfs(options)
    _stand_in(base / "bin")
    os.chdir(base)  # where OSCAR's supervisor runs a script, as an image's working directory
    try:
        rows = []
        for script in (each for repository in repositories for each in scripts(repository)):
            why = next((why for path, why in LEFT_OUT.items() if script.path.startswith(path)), None)
            rows.append(
                [f"`{script.path}`", "", f"not run: {why}"]
                if why
                else await compared(script, python, options.storage)
            )
            print(*rows[-1], file=sys.stderr, flush=True)
    finally:
        stop_seaweedfs(server, options)
    return table(["script", "files of OSCAR's", "Headrace"], rows)


def _stand_in(folder: Path) -> None:
    folder.mkdir()
    for name in STOOD_IN:
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    os.environ["PATH"] = f"{folder}:/usr/bin:/bin"


def main() -> None:
    """Print the table."""
    repositories = [Path(each).absolute() for each in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as base:
        print(asyncio.run(measure(Path(base), repositories)))


if __name__ == "__main__":
    main()
