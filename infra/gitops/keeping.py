"""Passwords, authorities and certificates, kept from run to run by the rules that Pulumi follows, too."""

import json
from collections.abc import Mapping
from typing import Any

from headrace.model.errors import ConfigurationError
from infra.credentials.providing import AuthorityMaker, CertificateMaker, PasswordMaker, Properties

MAKERS = {  # of what is made while a program runs, by type
    "pulumi-python:dynamic/headrace:Password": PasswordMaker(),
    "pulumi-python:dynamic/headrace:Authority": AuthorityMaker(),
    "pulumi-python:dynamic/headrace:Certificate": CertificateMaker(),
}
NAME, KEY = "headrace-credentials", "credentials.json"  # of the Secret that holds them on a cluster

Kept = Mapping[str, Properties]  # outputs by resource


class Keeper:
    """Answers for what is made while a program runs: what was kept, or what is made in its place.

    Made anew is what Pulumi would make anew: after a raised number of `rotation`, for other names, or a
    certificate that ends before long.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self.now: dict[str, Properties] = {}
        self.made: list[str] = []

    def answer(self, kind: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """As recording.Answer."""
        maker = MAKERS.get(kind)
        if maker is None:
            return {}
        found = self._kept.get(name)
        if found is None or maker.diff(name, found, dict(inputs)).changes:
            found = maker.create(dict(inputs)).outs or {}
            self.made.append(name)
        self.now[name] = found
        return found


def text_of(kept: Kept) -> str:
    """As it is kept."""
    return json.dumps(kept, sort_keys=True)


def kept_of(text: str, told: str) -> Kept:
    """Raises ConfigurationError, without the text, which is secret."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise ConfigurationError(
            f"{told}: is not what this command wrote; put the right one in its place, or remove it and have "
            "every password and certificate made anew"
        )
    return found
