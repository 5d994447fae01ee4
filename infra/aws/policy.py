"""Documents of IAM as plain values. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Statement = dict[str, Any]
Document = dict[str, Any]
Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]
VERSION = "2012-10-17"  # of the language
EVERYBODY = "*"


def allow(
    actions: Sequence[str], resources: Sequence[str], *, where: Conditions | None = None, who: object = None
) -> Statement:
    """A statement; `who`: the principal, in a document that a resource has."""
    return _statement("Allow", actions, resources, where, who)


def deny(
    actions: Sequence[str], resources: Sequence[str], *, where: Conditions | None = None, who: object = None
) -> Statement:
    """Likewise; it goes before whatever is allowed elsewhere."""
    return _statement("Deny", actions, resources, where, who)


def document(*statements: Statement) -> Document:
    """The whole."""
    return {"Version": VERSION, "Statement": list(statements)}


def written(found: Document) -> str:
    """As AWS takes it, the same text for the same document."""
    return json.dumps(found, sort_keys=True)


def _statement(
    effect: str, actions: Sequence[str], resources: Sequence[str], where: Conditions | None, who: object
) -> Statement:
    made: Statement = {"Effect": effect, "Action": list(actions), "Resource": list(resources)}
    if who is not None:
        made["Principal"] = who
    if where:
        made["Condition"] = {test: dict(keys) for test, keys in where.items()}
    return made
