"""Questions to an API server that are no objects: who it is, what its clock says, what somebody may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from headrace.kube.kinds import Kind

SELF_REVIEW = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
REVIEW = "apis/authorization.k8s.io/v1/subjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody may want to do. `below`: to a sub-resource; no namespace: in all of them, or none."""

    verb: str
    kind: Kind
    namespace: str = ""
    name: str = ""
    below: str = ""

    @property
    def told(self) -> str:
        """For people: `get secrets/headrace-operator in headrace`."""
        named = f"/{self.name}" if self.name else ""
        below = f"/{self.below}" if self.below else ""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.kind.plural}{below}{named}{where}"


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a server says of itself: its version, and its clock (seconds since the epoch; None: not told)."""

    version: str
    date: float | None


class Asked(Protocol):
    """An API server that is asked. Raises what the port Kube raises."""

    async def greet(self) -> Greeting:
        """Version and clock."""
        ...

    async def may(self, wish: Wish, *, user: str = "") -> bool:
        """Whether the caller may do it, or another user, which needs a right of its own."""
        ...


def review_of(wish: Wish, user: str) -> Mapping[str, Any]:
    """https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access"""
    wanted = {
        "verb": wish.verb,
        "group": wish.kind.group,
        "version": wish.kind.version,
        "resource": wish.kind.plural,
        "subresource": wish.below,
        "namespace": wish.namespace,
        "name": wish.name,
    }
    attributes = {name: value for name, value in wanted.items() if value}
    kind = "SubjectAccessReview" if user else "SelfSubjectAccessReview"
    spec = {"resourceAttributes": attributes} | ({"user": user} if user else {})
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
