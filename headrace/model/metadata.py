"""What Kubernetes demands of every object's metadata: labels, annotations, namespaces.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from headrace.model.value import Value

MAX_ANNOTATION_BYTES = 256 * 1024  # keys and values of one object together
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)?[A-Za-z0-9]")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def _check_key(key: str, *, folded: bool) -> None:
    """Raise ValueError for what is no qualified name; `folded`: capitals count as small letters."""
    prefix, slash, name = (key.lower() if folded else key).rpartition("/")
    prefixed = not slash or (len(prefix) <= 253 and _PREFIX.fullmatch(prefix))
    if not (prefixed and len(name) <= 63 and _NAME.fullmatch(name)):
        raise ValueError(
            f"found the key {key[:80]!r}, allowed a name of at most 63 letters, digits, -, _ and ., with a "
            "domain and a / before it if you like; rename it"
        )


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in labels.items():
        _check_key(key, folded=False)
        if value and not (len(value) <= 63 and _NAME.fullmatch(value)):
            raise ValueError(
                f"{key}: found {value[:80]!r}, allowed at most 63 letters, digits, -, _ and ., the first and "
                "last a letter or digit; change it"
            )
    return labels


def _annotations(annotations: Mapping[str, str]) -> Mapping[str, str]:
    for key in annotations:
        _check_key(key, folded=True)
    size = sum(len(text.encode()) for pair in annotations.items() for text in pair)
    if size > MAX_ANNOTATION_BYTES:
        raise ValueError(f"found {size} bytes, allowed {MAX_ANNOTATION_BYTES}; write less")
    return annotations


Labels = Annotated[Mapping[str, str], AfterValidator(_labels)]
Annotations = Annotated[Mapping[str, str], AfterValidator(_annotations)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,37}[a-z0-9])?$")]
Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class ObjectMetadata(Value):
    """The part of Kubernetes' metadata that a person writes; a sub-class says which names it takes."""

    name: str = Field(description="the object's name")
    labels: Labels = Field(default_factory=dict, description="Kubernetes labels")
    annotations: Annotations = Field(default_factory=dict, description="Kubernetes annotations")
