"""Marks of what programs read at start: a pod that carries one is replaced when it changes."""

import hashlib
import hmac
from collections.abc import Mapping

import pulumi

_LENGTH = 16


def mark(salt: str, contents: Mapping[str, str]) -> str:
    """The contents' mark. Keyed, so that nobody can try guesses of a password against it."""
    digest = hmac.new(salt.encode(), digestmod=hashlib.sha256)
    for name in sorted(contents):
        for part in (name, contents[name]):
            digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:_LENGTH]


def marked(salt: pulumi.Output[str], contents: pulumi.Output[Mapping[str, str]]) -> pulumi.Output[str]:
    """The mark of secret contents; it is no secret itself."""
    found = pulumi.Output.all(salt=salt, contents=contents)
    return pulumi.Output.unsecret(found.apply(lambda known: mark(known["salt"], known["contents"])))
