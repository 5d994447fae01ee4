"""The programs by which `pulumi` finds this checkout's Python: for its programs and for dynamic resources."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from tests.toolchain.places import CHECKOUT, SOURCES, Places

NAME = "pulumi-python"


def wrappers(python: Path, host: Path) -> Mapping[str, str]:
    """Scripts by name: `pulumi` looks for them on PATH."""
    interpreter = shlex.quote(str(python))
    return {
        "pulumi-language-python": f'#!/bin/sh\nexec {interpreter} -u -P {shlex.quote(str(host))} "$@"\n',
        "pulumi-resource-pulumi-python": f'#!/bin/sh\nexec {interpreter} -u -m pulumi.dynamic "$@"\n',
    }


def folder(places: Places) -> Path:
    """What a test puts on PATH, before `bin`."""
    return places.share / "pulumi" / "bin"


def are_in_place(places: Places) -> bool:
    """Of this checkout: with several on one machine the last to call wins."""
    return all(
        (path := folder(places) / name).is_file() and path.read_text() == text
        for name, text in _of_this_checkout().items()
    )


def put_in_place(places: Places) -> None:
    folder(places).mkdir(parents=True, exist_ok=True)
    for name, text in _of_this_checkout().items():
        new = folder(places) / f".{name}.new"
        new.write_text(text)
        new.chmod(0o755)
        new.replace(folder(places) / name)


def _of_this_checkout() -> Mapping[str, str]:
    return wrappers(CHECKOUT / ".venv" / "bin" / "python", SOURCES / "pulumi" / "host.py")
