"""Opening the status page in a browser of this machine."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")

OpenPage = Annotated[
    bool | None,
    typer.Option(
        "--open/--no-browser",
        help="Open the status page in a browser; without either, on a desktop's terminal alone.",
        show_default=False,
    ),
]


def is_wished(chosen: bool | None, *, terminal: bool) -> bool:  # noqa: FBT001  (an option's three values)
    """Whether a browser is to be opened: as a person chose, else where he most likely sits before it."""
    if chosen is not None:
        return chosen
    return terminal and (sys.platform == "darwin" or any(os.environ.get(each) for each in _DISPLAYS))


def open_page(door: Path) -> bool:
    """Open a file that leads to the page; whether some browser took it."""
    try:
        return webbrowser.open(door.as_uri())
    except webbrowser.Error:
        return False
