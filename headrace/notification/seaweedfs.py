"""Notifications of SeaweedFS's filer: one change of one entry of its file tree.

https://github.com/seaweedfs/seaweedfs/wiki/Filer-Notification-Webhook
A bucket is a folder below /buckets. What the event calls itself differs between releases (an overwrite
was once called a rename), so the entries before and after decide, not the name. Keys are not encoded.

A bucket with versions keeps them in a folder "<key>.versions", one file "v_<version id>" each. Such a file
is written first and becomes what S3 answers when the folder's attributes name it as the newest. So the
folder's change is what finishes the object; a HEAD before it would find the version before.
"""

import base64
import re
from dataclasses import dataclass

from headrace.model.errors import RejectedError
from headrace.model.event import Delivery, FileEvent, IgnoredEvent
from headrace.notification.fields import (
    Document,
    etag_of,
    flag,
    optional_list,
    optional_section,
    optional_size,
    optional_text,
    refusal,
    section,
    text,
    version_of,
)

_BUCKETS = "/buckets/"
_PARTS = ".uploads/"  # below a bucket: the parts of unfinished multipart uploads
_VERSIONS = ".versions"
_VERSION_PREFIX = "v_"
_MD5_BYTES = 16
_ETAG = "Seaweed-X-Amz-ETag"
_VERSION_ID = "Seaweed-X-Amz-Version-Id"
_DELETE_MARKER = "Seaweed-X-Amz-Delete-Marker"
_NEWEST_ID = "Seaweed-X-Amz-Latest-Version-Id"
_NEWEST_ETAG = "Seaweed-X-Amz-Latest-Version-ETag"
_NEWEST_SIZE = "Seaweed-X-Amz-Latest-Version-Size"
_NEWEST_IS_DELETE_MARKER = "Seaweed-X-Amz-Latest-Version-Is-Delete-Marker"
_NULL_IS_NEWEST = "Seaweed-X-Amz-Null-Version-Is-Latest"
_NO_POINTER = (None, None)
_DIGITS = re.compile(r"[0-9]{1,19}")  # 64 bits
_OLD, _NEW = "message.old_entry", "message.new_entry"


@dataclass(frozen=True, slots=True)
class _Place:
    bucket: str  # empty: not below /buckets
    key: str  # empty: the bucket itself


def recognises(document: Document) -> bool:
    """Whether this has the shape of a filer's notification."""
    return "event_type" in document and "message" in document


def read(document: Document) -> Delivery:
    """Read one change. Raises RejectedError when it is not as it must be."""
    event = text(document, "event_type", "")
    path = text(document, "key", "")
    message = section(document, "message", "")
    old = optional_section(message, "old_entry", "message")
    new = optional_section(message, "new_entry", "message")
    if new is None:
        if old is None:
            raise RejectedError("message has neither old_entry nor new_entry; one of them must be there")
        return _ignored(event, _place(path), "it was deleted")
    new_path = _new_path(path, message, new)
    before = old if new_path == path else None
    place = _place(new_path)
    reason = _foreign(place)
    if reason is not None:
        return _ignored(event, place, reason)
    if flag(new, "is_directory", _NEW):
        newest = _newest(place, before, new)
        return _ignored(event, place, "a folder") if newest is None else Delivery(created=(newest,))
    reason = _unfinished(place, before, new)
    return Delivery(created=(_created(place, new),)) if reason is None else _ignored(event, place, reason)


def _new_path(path: str, message: Document, new: Document) -> str:
    """Where the entry is now: after a rename, not where the event's key says."""
    parent = optional_text(message, "new_parent_path", "message")
    if parent is None:
        return path
    return f"{parent.rstrip('/')}/{text(new, 'name', _NEW)}"


def _place(path: str) -> _Place:
    if not path.startswith(_BUCKETS):
        return _Place("", "")
    bucket, _, key = path.removeprefix(_BUCKETS).partition("/")
    return _Place(bucket, key)


def _ignored(event: str, place: _Place, reason: str) -> Delivery:
    return Delivery(ignored=(IgnoredEvent(event, place.bucket or None, place.key or None, reason),))


def _foreign(place: _Place) -> str | None:
    """Why nothing at this place is ever an object of a bucket; None when it may be one."""
    if not place.bucket:
        return "not below /buckets"
    if place.bucket.startswith("."):
        return "a folder of SeaweedFS itself"
    if not place.key:
        return "the bucket itself"
    if place.key.startswith(_PARTS):
        return "a part of an unfinished multipart upload"
    return None


def _unfinished(place: _Place, before: Document | None, new: Document) -> str | None:
    """Why this change of a file finishes no object; None when it does. `before`: what was at its path."""
    if _attribute(new, _DELETE_MARKER, _NEW) is not None:
        return "a delete marker"
    if before is not None and _content(before, _OLD) == _content(new, _NEW):
        return "the content did not change"
    if _is_version(place.key, _attribute(new, _VERSION_ID, _NEW)):
        return "a version before it is the newest: its folder's change tells"
    if place.key.endswith("/"):
        return "a folder marker"
    return None


def _content(entry: Document, where: str) -> tuple[object, ...]:
    """What an entry holds, so that two can be compared: every write makes chunks of its own time.

    Small files may lie in the entry itself. File ids are left out: a moved chunk is the same content.
    """
    attributes = optional_section(entry, "attributes", where) or {}
    chunks: list[object] = []
    for chunk in optional_list(entry, "chunks", where):
        if not isinstance(chunk, dict):
            raise refusal(where, "chunks", chunk, "a list of objects")
        chunks.append([chunk.get(name) for name in ("offset", "size", "modified_ts_ns", "e_tag")])
    return (chunks, entry.get("content"), attributes.get("md5"), attributes.get("file_size"))


def _is_version(key: str, version: str | None) -> bool:
    """Whether this file is one of a key's versions, and not an object that merely is called like one."""
    folder, _, name = key.rpartition("/")
    return version is not None and name == f"{_VERSION_PREFIX}{version}" and folder.endswith(_VERSIONS)


def _newest(place: _Place, before: Document | None, new: Document) -> FileEvent | None:
    """The object whose newest version this folder's change names; None when it names no new one."""
    if not place.key.endswith(_VERSIONS):
        return None
    pointer = _pointer(new, _NEW)
    gone = _attribute(new, _NEWEST_IS_DELETE_MARKER, _NEW) is not None
    if gone or pointer == _NO_POINTER or (before is not None and pointer == _pointer(before, _OLD)):
        return None
    return FileEvent(
        place.bucket,
        place.key.removesuffix(_VERSIONS),
        version=pointer[0],
        etag=etag_of(_attribute(new, _NEWEST_ETAG, _NEW)),
        size=_newest_size(new),
    )


def _pointer(folder: Document, where: str) -> tuple[str | None, str | None]:
    """What a folder of versions names as the newest: a version id, or a mark that it is the unversioned."""
    return _attribute(folder, _NEWEST_ID, where), _attribute(folder, _NULL_IS_NEWEST, where)


def _newest_size(folder: Document) -> int | None:
    found = _attribute(folder, _NEWEST_SIZE, _NEW)
    if found is None:
        return None
    if not _DIGITS.fullmatch(found):
        raise refusal(f"{_NEW}.extended", _NEWEST_SIZE, found, "a whole number of bytes")
    return int(found)


def _created(place: _Place, new: Document) -> FileEvent:
    return FileEvent(
        place.bucket,
        place.key,
        version=version_of(_attribute(new, _VERSION_ID, _NEW)),
        etag=_etag(new),
        size=_size(new),
    )


def _attribute(entry: Document, name: str, where: str) -> str | None:
    """A text of the entry's extended attributes, which are base64."""
    extended = optional_section(entry, "extended", where) or {}
    found = optional_text(extended, name, f"{where}.extended")
    if found is None:
        return None
    try:
        return base64.b64decode(found, validate=True).decode()
    except ValueError as error:
        raise refusal(f"{where}.extended", name, found, "base64 of UTF-8 text") from error


def _etag(entry: Document) -> str | None:
    """The ETag that S3 answers; else the MD5 of the content; None when the entry has neither."""
    etag = _attribute(entry, _ETAG, _NEW)
    if etag is not None:
        return etag_of(etag)
    attributes = optional_section(entry, "attributes", _NEW) or {}
    md5 = optional_text(attributes, "md5", f"{_NEW}.attributes")
    if md5 is None:
        return None
    try:
        digest = base64.b64decode(md5, validate=True)
    except ValueError as error:
        raise refusal(f"{_NEW}.attributes", "md5", md5, "base64") from error
    if len(digest) != _MD5_BYTES:
        raise refusal(f"{_NEW}.attributes", "md5", md5, f"base64 of {_MD5_BYTES} bytes")
    return digest.hex()


def _size(entry: Document) -> int | None:
    """Bytes; a field that is zero is left out of the JSON, so an entry that holds nothing has size 0."""
    attributes = optional_section(entry, "attributes", _NEW) or {}
    size = optional_size(attributes, "file_size", f"{_NEW}.attributes")
    if size is None and not entry.get("chunks") and not entry.get("content"):
        return 0
    return size
