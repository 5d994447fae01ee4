"""A page of S3's two listings. Pure: bytes in, values out.

Botocore's own parser takes ten times as long, which is felt with thousands of records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A newest version in a listing; `etag`, `version` and `modified` as the store writes them."""

    key: str
    etag: str
    size: int
    modified: float  # seconds since the epoch
    version: str | None


@dataclass(frozen=True, slots=True)
class Old:
    """An older version in a listing, or the mark that an object is deleted."""

    key: str
    version: str


@dataclass(frozen=True, slots=True)
class Page:
    """The newest versions on one page, and what to ask for the next page with; None: it was the last.

    `old`: what else is on it.
    """

    entries: tuple[Entry, ...]
    following: Mapping[str, str] | None
    old: tuple[Old, ...] = ()


def parse_page(body: bytes) -> Page:
    """Read the answer to ListObjectsV2 or ListObjectVersions. Raises ValueError for what is neither."""
    try:
        root = ET.fromstring(body)  # noqa: S314  (written by the store; expat >= 2.4.1 bounds entities)
        return _page(root)
    except (ET.ParseError, KeyError, ValueError) as error:
        raise ValueError(f"this is no listing ({error!r}): {body[:200]!r}") from error


def _page(root: ET.Element) -> Page:
    head: dict[str, str] = {}
    newest: list[Fields] = []
    old: list[Fields] = []
    for child in root:
        name = _name(child)
        if name in {"Contents", "Version", "DeleteMarker"}:
            fields = {_name(field): field.text or "" for field in child}
            is_old = name == "DeleteMarker" or fields.get("IsLatest") == "false"
            (old if is_old else newest).append(fields)
        else:
            head[name] = child.text or ""
    encoded = head.get("EncodingType") == "url"
    entries = [_entry(fields, encoded=encoded) for fields in newest]
    following = _following(head, entries, encoded=encoded) if head["IsTruncated"] == "true" else None
    return Page(tuple(entries), following, tuple(_old(fields, encoded=encoded) for fields in old))


def _following(head: Fields, entries: list[Entry], *, encoded: bool) -> Fields:
    if "NextKeyMarker" in head:
        marker = {"KeyMarker": _decoded(head["NextKeyMarker"], encoded=encoded)}
        version = head.get("NextVersionIdMarker")
        return marker | {"VersionIdMarker": version} if version else marker
    if entries:
        # Not the token: SeaweedFS puts the last key into it, and XML can't carry every character.
        return {"StartAfter": entries[-1].key}
    return {"ContinuationToken": head["NextContinuationToken"]}


def _entry(fields: Fields, *, encoded: bool) -> Entry:
    return Entry(
        key=_decoded(fields["Key"], encoded=encoded),
        etag=fields.get("ETag", ""),
        size=int(fields["Size"]),
        modified=datetime.fromisoformat(fields["LastModified"]).timestamp(),
        version=fields.get("VersionId"),
    )


def _old(fields: Fields, *, encoded: bool) -> Old:
    return Old(_decoded(fields["Key"], encoded=encoded), fields["VersionId"])


def _decoded(text: str, *, encoded: bool) -> str:
    return unquote_plus(text) if encoded else text


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
