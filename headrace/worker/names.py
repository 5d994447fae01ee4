"""Names: of a staged input, of an output's final key. Pure; whatever the key, no path leaves its folder."""

import unicodedata
from pathlib import PurePosixPath

from headrace.model.function import Destination, Input

NAME_BYTES = 255  # the longest file name of ext4, xfs and tmpfs
SUFFIX_BYTES = 40  # of a name that is cut, how much of its suffix stays
FALLBACK = "input"


def staged_name(key: str) -> str:
    """The file name under which a key is staged: its last segment, made harmless.

    Control, format and surrogate characters and path separators become `_`; an empty segment, `.` and
    `..` become `input`; a long name is cut before its suffix. The suffix stays, as functions look at it.
    """
    last = key.rstrip("/").rpartition("/")[2]
    safe = "".join("_" if unicodedata.category(c)[0] == "C" or c in "/\\" else c for c in last)
    if safe.strip(" .") == "":
        return FALLBACK
    return _cut(safe)


def _cut(name: str) -> str:
    raw = name.encode()
    if len(raw) <= NAME_BYTES:
        return name
    suffix = PurePosixPath(name).suffix.encode()
    if len(suffix) > SUFFIX_BYTES:
        suffix = b""
    return raw[: NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix.decode()


def folder_below(prefix: str, key: str) -> str:
    """The folders of a key below the last `/` of an input's prefix: `echo/`, `echo/a/b.dcm` -> `a/`."""
    base = prefix[: prefix.rfind("/") + 1]
    below = key[len(base) :]
    return below[: below.rfind("/") + 1]


def final_key(destination: Destination, source: Input, key: str, name: str) -> str:
    """Where an output is published: destination's prefix, the input's folders, the output's own name.

    The input's folders keep the results of equally named files apart; a destination may leave them out.
    """
    folder = folder_below(source.prefix, key) if destination.keep_folders else ""
    return f"{destination.prefix}{folder}{name}"
