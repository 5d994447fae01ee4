"""Credentials where they do not belong: a token that nobody needs, a secret in plain text."""

import re
from collections.abc import Iterator

from .kubernetes import manifests, pods
from .tree import Node
from .values import Fault, Resource, Rule, Surroundings

# Parts of a variable's name that stand for a secret; some ends tell that only its name or place is meant.
_SECRET = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SECRET)_?KEY)(?:_|$)",
    re.I,
)
_NO_SECRET = re.compile(r"_(?:FILE|PATH|DIR|NAME|ID|URL|URI|ARN|SECONDS|TTL)$", re.I)


def _tokens(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for pod in pods(resource):
        names = [pod.spec.at("serviceAccountName"), pod.spec.at("serviceAccount")]
        own = any(each.is_unknown or each.text not in ("", "default") for each in names)
        if own or pod.is_patch or not pod.spec.at("automountServiceAccountToken").is_not_false:
            continue
        yield Fault(
            "pod",
            "the token of the account default mounted",
            "no token, or an account of its own",
            "write automountServiceAccountToken: false, or name an account of its own",
        )


def _plain(resource: Resource, _: Surroundings) -> Iterator[Fault]:
    for where, name, value in _variables(resource):
        if value.text and not value.text.isdigit() and _SECRET.search(name) and not _NO_SECRET.search(name):
            yield Fault(
                where,
                f"{name} in plain text",
                "a reference to a Secret",
                "keep it in a Secret, and name that (valueFrom.secretKeyRef; of a function spec.secrets)",
            )


def _variables(resource: Resource) -> Iterator[tuple[str, str, Node]]:
    for pod in pods(resource):
        for container in pod.containers():
            for variable in container.body.at("env").entries():
                yield container.where, variable.at("name").text, variable.at("value")
    for manifest in manifests(resource):
        if manifest.is_function:
            for name, value in manifest.body.at("spec", "environment").fields():
                yield "spec.environment", name, value


TOKEN = Rule(
    "pod-token",
    "A pod has no token of the API server that it has no use for",
    "pods",
    "the account `default`, named or by omission, without `automountServiceAccountToken: false`",
    each=_tokens,
)
PLAIN = Rule(
    "plain-secret",
    "A secret is no plain text of a pod",
    "pods, functions",
    "a variable named like a secret (`PASSWORD`, `TOKEN`, `API_KEY` and the like) with a value of its own",
    each=_plain,
)
