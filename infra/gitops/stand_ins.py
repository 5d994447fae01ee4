"""What stands in a secret's place where the secret is not known, and how one is found that got out."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping

from infra.plain import is_encrypted

PREFIX = "secret-not-here-"
_LENGTH = 32


def stand_in(*parts: object) -> str:
    """The same text for the same parts, another for others; JSON has to know the parts."""
    text = json.dumps(parts, sort_keys=True)
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def shown(document: object, place: str = "") -> Iterator[str]:
    """The places of a document where a stand-in is, plain or in base64: there a secret would be shown."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from shown(key, place)
            yield from shown(value, f"{place}.{key}".removeprefix("."))
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield from shown(value, f"{place}[{number}]")
    elif isinstance(document, str) and (PREFIX in document or PREFIX in _decoded(document)):
        yield place


def without_secrets(tree: object) -> tuple[object, bool]:
    """A value of a stack's file with a stand-in for each encrypted one, and whether there was any."""
    if is_encrypted(tree):
        return stand_in("encrypted", tree), True
    if isinstance(tree, Mapping):
        pairs = {key: without_secrets(each) for key, each in tree.items()}
        return {key: each for key, (each, _) in pairs.items()}, any(found for _, found in pairs.values())
    if isinstance(tree, list):
        each = [without_secrets(one) for one in tree]
        return [one for one, _ in each], any(found for _, found in each)
    return tree, False


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return ""
