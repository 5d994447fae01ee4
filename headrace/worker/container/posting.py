"""A file as an HTTP request, and what an answer makes of it. Pure.

The request is an event of CloudEvents in the binary mode of its HTTP binding, whose data is the file itself:
servers and their libraries know its headers, and one that doesn't reads a plain body.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import mimetypes
from collections.abc import Mapping
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from urllib.parse import quote

from headrace.worker.attempt import Cause, Outcome, Staged, event_time
from headrace.worker.names import staged_name

EVENT_TYPE = "dev.headrace.file"
UNKNOWN_TYPE = "application/octet-stream"
WAITED_FOR = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
REASON_CHARACTERS = 2000  # the log has the rest
# What the binding leaves as it is: printable ASCII but the quotation mark and the percent sign.
PLAIN = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


@cache
def _types() -> mimetypes.MimeTypes:
    """Python's own table, whatever the machine's says, and what it lacks."""
    types = mimetypes.MimeTypes()
    types.add_type("application/dicom", ".dcm")  # RFC 3240
    return types


def type_of(name: str) -> str:
    """The media type that a file's name tells."""
    kind, encoding = _types().guess_type(name)
    return kind if kind is not None and encoding is None else UNKNOWN_TYPE


def request_headers(staged: Staged) -> dict[str, str]:
    """The headers of the request that hands a file over; `ce-id` stays the same over attempts."""
    task = staged.task
    return {
        "content-type": type_of(staged.file.name),
        "content-length": str(staged.file.stat().st_size),
        "accept-encoding": "identity",
        "ce-specversion": "1.0",
        "ce-id": task.id,
        "ce-source": f"s3://{task.bucket}",
        "ce-type": EVENT_TYPE,
        "ce-subject": quote(task.key, safe=PLAIN, errors="surrogatepass"),
        "ce-time": event_time(task),
        "ce-attempt": str(staged.number),
    }


def result_name(input_name: str, headers: Mapping[str, str]) -> str:
    """The name of the one result: that of Content-Disposition, else the input's with the answer's type.

    An answer of the input's own type has the input's name; no path of a given name is taken.
    """
    given = _disposition(headers).get_filename()
    if given:
        return staged_name(given)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == type_of(input_name) != UNKNOWN_TYPE:
        return input_name
    return staged_name(f"{input_name}{_types().guess_extension(kind) or '.bin'}")


def _disposition(headers: Mapping[str, str]) -> Message:
    """Reads the parameters as RFC 2231 has them, `filename*` too."""
    message = Message()
    message["content-disposition"] = " ".join(headers.get("content-disposition", "").splitlines())
    return message


def wait_seconds(status: int, retry_after: str | None, now: float) -> float | None:
    """How long the server asks to wait before the same request; None: it asks for no such thing.

    Retry-After holds seconds or a moment (RFC 9110, 10.2.3); `now`: seconds since the epoch.
    """
    if status not in WAITED_FOR or retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)


def refused(status: int, body: bytes, *, location: str | None = None, hint: str = "") -> Outcome:
    """The outcome of an answer that is no success, with the server's own words."""
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    where = (
        f" (to {location}, which is not followed; name the right path in run.http.path)" if location else ""
    )
    words = " ".join(body.decode(errors="replace").split())
    told = f"the server answered {phrase}{where}{hint}" + (f": {words}" if words else "")
    return Outcome(Cause.HTTP_STATUS, told[:REASON_CHARACTERS])
