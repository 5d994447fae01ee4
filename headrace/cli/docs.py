"""Where the docs are for whoever reads a command's output: the checkout's, or those that a variable names."""

import os
from collections.abc import Mapping
from pathlib import Path

from headrace.model.errors import HeadraceError
from headrace.model.troubles import Trouble, page_of

VARIABLE = "HEADRACE_DOCS"  # a folder, or its address on a site: https://docs.example/docs
_FOLDER = "docs"
# These tell nothing that the message itself does not.
_PLAIN = frozenset(
    {
        Trouble.CONFIGURATION,
        Trouble.AWAY,
        Trouble.REJECTED,
        Trouble.NOT_FOUND,
        Trouble.CHANGED,
        Trouble.EXISTS,
        Trouble.FATAL,
        Trouble.UNKNOWN,
    }
)


def docs_base(
    environment: Mapping[str, str] = os.environ, *, package: Path | None = None, here: Path | None = None
) -> str:
    """The folder of the docs or its address on a site, without a slash at its end.

    Without the variable: the checkout's folder, as seen from `here` (the working directory) where it is
    below; where the package was installed without docs, their place in the repository.
    """
    if named := environment.get(VARIABLE, "").rstrip("/"):
        return named
    folder = (package or Path(__file__).parents[1]).parent / _FOLDER
    if not folder.is_dir():
        return _FOLDER
    there = (here or Path.cwd()).resolve()
    return str(folder.relative_to(there)) if folder.is_relative_to(there) else str(folder)


def see(page: str, base: str) -> str:
    """Where a page is: a file below a folder, or the page that `make docs` makes of it on a site.

    `page` may name a place in it: `doctor.md#queue-login`.
    """
    name, mark, place = page.partition("#")
    if base.startswith(("http://", "https://")):
        name = f"{name.removesuffix('.md')}.html"
    return f"{base}/{name}{mark}{place}"


def lines(error: HeadraceError, base: str) -> tuple[str, ...]:
    """What a person reads of an error."""
    told = f"headrace: {error}"
    return (told,) if error.trouble in _PLAIN else (told, f"see {see(page_of(error.trouble), base)}")


def error_document(error: HeadraceError, base: str) -> Mapping[str, Mapping[str, str]]:
    """What a program reads of it."""
    return {
        "error": {
            "code": error.trouble,
            "message": str(error),
            "see": see(page_of(error.trouble), base),
        }
    }
