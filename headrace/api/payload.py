"""What a caller sends to be worked: base64 or plain, a notification or a file, and the key it gets. Pure.

OSCAR's supervisor decodes whatever is no JSON object from base64, as its clients encode every file:
https://github.com/grycap/faas-supervisor/blob/master/faassupervisor/events/unknown.py
Here only what is base64 from its first to its last byte is decoded; all else is taken as it is.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus

import orjson

from headrace.health.faults import FaultError, refusal
from headrace.model.errors import RejectedError
from headrace.model.event import Delivery
from headrace.model.function import Input
from headrace.notification import read_delivery

MAX_EVENT_BYTES = 4 * 1024**2  # a larger body is no notification
MAX_NAME_BYTES = 200
_BLANKS = b" \t\r\n"
_ALPHABET = re.compile(rb"[A-Za-z0-9+/]*(={0,2})")
_UNFIT = re.compile(r"[/\\\x00-\x1f\x7f]")


class Base64Watch:
    """Looks at a body piece by piece, whether all of it is base64; blanks between letters do not matter."""

    def __init__(self) -> None:
        self._letters = 0
        self._padding = 0
        self._fits = True

    def feed(self, piece: bytes) -> None:
        """Look at the next piece."""
        letters = piece.translate(None, _BLANKS)
        if not self._fits or not letters:
            return
        found = _ALPHABET.fullmatch(letters)
        if found is None or (self._padding and letters.strip(b"=")):
            self._fits = False
            return
        self._letters += len(letters)
        self._padding += len(found[1])

    @property
    def holds(self) -> bool:
        """Whether what was seen so far is a whole base64 text."""
        return self._fits and self._padding <= 2 and self._letters > 0 and self._letters % 4 == 0


def decoded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes that a base64 text stands for, piece by piece."""
    rest = b""
    for piece in pieces:
        letters = rest + piece.translate(None, _BLANKS)
        whole = len(letters) - len(letters) % 4
        rest = letters[whole:]
        yield binascii.a2b_base64(letters[:whole])


def notification_of(body: bytes) -> Delivery | None:
    """The notification that a body is; None: it is a file like any other.

    Raises FaultError for one that can't be read.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    try:
        return read_delivery(body)
    except RejectedError as error:
        if not _claims_records(document):
            return None
        raise refusal(HTTPStatus.BAD_REQUEST, "not valid", str(error)) from error


def _claims_records(document: dict[str, object]) -> bool:
    """Whether it says that it is a notification: an S3 event names its source in every record."""
    records = document.get("Records")
    first = records[0] if isinstance(records, list) and records else None
    return isinstance(first, dict) and "eventSource" in first


def key_of(source: Input, name: str, number: str) -> str:
    """The key below an input's prefix, in a folder of its own.

    A name that the input would not take gets an ending that it does.
    """
    ending = "" if not source.suffix or name.endswith(source.suffix) else source.suffix[0]
    return f"{source.prefix}api-{number}/{name}{ending}"


def checked_name(name: str) -> str:
    """A file's name as a caller gives it. Raises FaultError."""
    if _UNFIT.search(name) or name in {".", ".."} or len(name.encode()) > MAX_NAME_BYTES:
        raise _unfit_name(name)
    return name


def _unfit_name(name: str) -> FaultError:
    reason = (
        f"found the file name {name[:60]!r}, allowed at most {MAX_NAME_BYTES} bytes without slashes and "
        "control characters; rename it"
    )
    return refusal(HTTPStatus.BAD_REQUEST, "not valid", reason)
