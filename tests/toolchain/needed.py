"""For tests that need engines: skipped with the reason where some are missing, failed where CI=true."""

import os
from collections.abc import Mapping
from typing import NoReturn

import pytest

from tests.toolchain import hosts
from tests.toolchain.places import Places


def leave_out(reason: str) -> NoReturn:
    """Skip the test, or fail it on a server, where everything has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def lacking(places: Places, *names: str) -> tuple[str, ...]:
    """The programs that are neither in `bin` nor among Pulumi's hosts."""
    folders = (places.bin, hosts.folder(places))
    return tuple(name for name in names if not any(os.access(each / name, os.X_OK) for each in folders))


def toolchain(*names: str) -> Places:
    """Where the toolchain is, its programs `names` being there."""
    places = Places.of(os.environ)
    if missing := lacking(places, *names):
        reason = f"{', '.join(missing)} missing in {places.root}: make toolchain"
        leave_out(reason)
    return places


def search_path(places: Places, environ: Mapping[str, str]) -> str:
    """PATH with the engines first; Pulumi's hosts of this checkout before those of an installed Pulumi."""
    return os.pathsep.join([str(hosts.folder(places)), str(places.bin), environ.get("PATH", os.defpath)])
