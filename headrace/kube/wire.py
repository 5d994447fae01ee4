"""Requests to the API server and what its answers mean, without I/O.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson

from headrace.kube.kinds import PODS, Kind
from headrace.kube.naming import Key, told_as
from headrace.kube.port import Change, Event, Manifest, Selection
from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    ExistsError,
    HeadraceError,
    NotFoundError,
    TransientError,
)
from headrace.model.troubles import Trouble

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML
PAGE = 500  # objects of a list in one answer, as client-go has it

_CHANGES = {"ADDED": Change.PUT, "MODIFIED": Change.PUT, "DELETED": Change.GONE, "BOOKMARK": Change.BOOKMARK}
_MESSAGE_LENGTH = 2000
_TROUBLES: Mapping[int, Trouble] = {
    HTTPStatus.UNAUTHORIZED: Trouble.CLUSTER_DENIED,
    HTTPStatus.FORBIDDEN: Trouble.CLUSTER_DENIED,
}
# What a caller can do about a refusal; of all other codes those from 500 on pass, those below do not.
_BY_CODE: Mapping[int, type[HeadraceError]] = {
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ChangedError,
    HTTPStatus.GONE: ChangedError,
    HTTPStatus.REQUEST_TIMEOUT: TransientError,
    HTTPStatus.TOO_MANY_REQUESTS: TransientError,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One call; `about` names its object for people, `path` is relative to the server's address."""

    method: str
    path: str
    about: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content_type: str = JSON

    @property
    def content(self) -> bytes | None:
        """The body as bytes."""
        return None if self.body is None else orjson.dumps(self.body)


def path_of(kind: Kind, namespace: str = "", *below: str) -> str:
    """The path of a kind's objects, of one of them or of a sub-resource."""
    group = ("apis", kind.group) if kind.group else ("api",)
    scope = ("namespaces", namespace) if namespace else ()
    parts = (*group, kind.version, *scope, kind.plural, *below)
    return "/".join(quote(part, safe="") for part in parts)


def one(method: str, kind: Kind, key: Key, *below: str, query: Mapping[str, str] | None = None) -> Request:
    """A call about one object, without a body.

    Raises NotFoundError for a name that no object can have, as its path would lead elsewhere: the server
    decodes each part. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#path-segment-names
    """
    if key[1] in ("", ".", "..") or {"/", "%"} & set(key[1]):
        raise NotFoundError(f"{told_as(kind, key)} is not there: no object can be called so")
    path = path_of(kind, key[0], key[1], *below)
    return Request(method, path, told_as(kind, key), query or {})


def listing(kind: Kind, selection: Selection, *, limit: int, token: str) -> Request:
    """One page of a list; no limit with 0, the first page without a token."""
    query = _selecting(selection)
    if limit:
        query["limit"] = str(limit)
    if token:
        query["continue"] = token
    return Request("GET", path_of(kind, selection.namespace or ""), kind.plural, query)


def watching(kind: Kind, selection: Selection, version: str, seconds: int) -> Request:
    """A watch that the server ends after so many seconds."""
    query = _selecting(selection) | {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(seconds),
    }
    return Request("GET", path_of(kind, selection.namespace or ""), kind.plural, query)


def deletion(
    kind: Kind, key: Key, *, uid: str | None, version: str | None, grace_seconds: int | None
) -> Request:
    """An order to delete; what belongs to the object goes after it."""
    request = one("DELETE", kind, key)
    options: dict[str, Any] = {"propagationPolicy": "Background", **_conditions(uid, version)}
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
    return Request(request.method, request.path, request.about, body=body)


def eviction(key: Key, *, uid: str | None) -> Request:
    """https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/"""
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"namespace": key[0], "name": key[1]},
        "deleteOptions": _conditions(uid, None),
    }
    about = f"the eviction of {told_as(PODS, key)}"
    return Request("POST", path_of(PODS, key[0], key[1], "eviction"), about, body=body)


def document(content: bytes, about: str) -> dict[str, Any]:
    """An answer's body. Raises TransientError for what no API server sends."""
    try:
        decoded = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise TransientError(
            f"{about}: the answer is no JSON; something else answers at the API server's address"
        ) from error
    if not isinstance(decoded, dict):
        raise TransientError(f"{about}: the answer is no object; something else answers for the API server")
    return decoded


def moment_of(date: str) -> float | None:
    """A header Date as seconds since the epoch; None for what is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def bare(manifest: dict[str, Any], kind: Kind) -> Manifest:
    """An object as the port gives it: with its kind, which lists leave out, without its managers' fields."""
    manifest["metadata"].pop("managedFields", None)
    return {"apiVersion": kind.api_version, "kind": kind.name, **manifest}


def named(manifest: Manifest, kind: Kind) -> Manifest:
    """An object as it is sent: with its kind."""
    return {"apiVersion": kind.api_version, "kind": kind.name, **manifest}


def event(line: bytes, kind: Kind) -> Event:
    """A line of a watch. Raises what the server says instead of an event."""
    told = document(line, f"the watch of {kind.plural}")
    change = _CHANGES.get(told.get("type", ""))
    if change is None:
        status = told.get("object", {})
        raise refusal(status.get("code", 500), status, f"the watch of {kind.plural}")
    return Event(change, bare(told["object"], kind))


def lines(chunk: bytes, rest: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines of what has come, and the beginning of the next."""
    *whole, rest = (rest + chunk).split(b"\n")
    return [line for line in whole if line], rest


def refusal(code: int, answer: object, about: str) -> HeadraceError:
    """The error for an answer that is none of success; only the server's own error document is quoted."""
    status = answer if isinstance(answer, Mapping) and answer.get("kind") == "Status" else {}
    said = str(status.get("message", f"HTTP {code}"))[:_MESSAGE_LENGTH]
    if code == HTTPStatus.CONFLICT and status.get("reason") == "AlreadyExists":
        return ExistsError(f"{about}: {said}")
    if _is_of_another(status):
        return ChangedError(f"{about}: another object bears the name by now ({said})")
    kind = _BY_CODE.get(code, TransientError if code >= HTTPStatus.INTERNAL_SERVER_ERROR else None)
    if kind is not None:
        return kind(f"{about}: {said}")
    return ConfigurationError(f"{about}: {said}{_remedy(code)}", trouble=_TROUBLES.get(code))


def _is_of_another(status: Mapping[str, Any]) -> bool:
    """Whether a patch was refused for its uid: that counts as an invalid change of an unchangeable field."""
    causes = (status.get("details") or {}).get("causes") or ()
    return any(each.get("field") == "metadata.uid" for each in causes)


def _remedy(code: int) -> str:
    remedies: Mapping[int, str] = {
        HTTPStatus.UNAUTHORIZED: "; check the token or certificate that the kubeconfig or the pod has",
        HTTPStatus.FORBIDDEN: "; check the roles of this user and the admission policies",
    }
    return remedies.get(code, "")


def _selecting(selection: Selection) -> dict[str, str]:
    labels = ",".join(f"{name}={value}" for name, value in selection.labels.items())
    return {"labelSelector": labels} if labels else {}


def _conditions(uid: str | None, version: str | None) -> dict[str, Any]:
    given = {"uid": uid, "resourceVersion": version}
    conditions = {name: each for name, each in given.items() if each}
    return {"preconditions": conditions} if conditions else {}
