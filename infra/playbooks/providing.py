"""What Pulumi calls for a playbook: the edge with the clock and the process that plays.

A run that failed is kept in the state as such, and is made again by the next `up`, whatever the inputs are
then: a change that was taken back must not leave hosts half changed. A second resource, the outcome, stops
all that comes after it.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi import dynamic

from infra.noted import Noting
from infra.playbooks import changes, verdict
from infra.playbooks.changes import FAULT
from infra.playbooks.playing import MANIFESTS, Properties, Stage, performed, play_of
from infra.playbooks.redaction import LEAST, too_short
from infra.playbooks.starting import started
from infra.playbooks.telling import Weight, teller

WANTED = "wanted"
UNKNOWN = pulumi.runtime.rpc.UNKNOWN


class Player(dynamic.ResourceProvider):
    """Inputs: see resources.py. Outputs: those and hosts, manifests, ended, fault."""

    serialize_as_secret_always = False  # it is a reference to a class, and readable in the state

    def check(self, _olds: Properties, news: Properties) -> dynamic.CheckResult:
        given = news.get("secret_variables")
        short = too_short(given) if isinstance(given, Mapping) else []
        # Without a property: Pulumi would print its value.
        return dynamic.CheckResult(news, [dynamic.CheckFailure("", _too_short(name)) for name in short])

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> dynamic.DiffResult:
        again = changes.reasons(_olds, _news)
        noted = changes.changed(_olds, _news, changes.NOTED)
        with teller(_news["urn"]) as tell:
            if again:
                tell(f"runs again: {', '.join(again)}", Weight.LASTING)
            elif noted:
                tell(f"is noted, and nothing runs: {', '.join(noted)}", Weight.LASTING)
        return dynamic.DiffResult(changes=bool(again or noted))

    def create(self, props: Properties) -> dynamic.CreateResult:
        return dynamic.CreateResult(secrets.token_hex(8), {**props, **_performed(props, props["playbook"])})

    def update(self, _id: str, _olds: Properties, _news: Properties) -> dynamic.UpdateResult:
        if changes.reasons(_olds, _news):
            return dynamic.UpdateResult({**_news, **_performed(_news, _news["playbook"])})
        return dynamic.UpdateResult({**_olds, **_news})

    def delete(self, _id: str, _props: Properties) -> None:
        if not _props["on_destroy"]:
            return  # hosts stay as they are
        if fault := _performed(_props, _props["on_destroy"])[FAULT]:
            raise RuntimeError(fault)


class Judge(Noting):
    """Inputs and outputs: fault, manifests, wanted. It refuses to be made while there is a fault."""

    def id_of(self, _props: Properties) -> str:
        return secrets.token_hex(8)

    def check(self, _olds: Properties, news: Properties) -> dynamic.CheckResult:
        fault = news.get(FAULT)
        found = fault if isinstance(fault, str) and fault != UNKNOWN else ""
        if not found and isinstance(news.get(MANIFESTS), Mapping):
            found = verdict.missing(news[WANTED], news[MANIFESTS])
        return dynamic.CheckResult(news, [dynamic.CheckFailure("", found)] if found else [])

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> dynamic.DiffResult:
        changed = changes.changed(_olds, _news, (MANIFESTS, WANTED))  # for which true is not 1
        return dynamic.DiffResult(changes=bool(changed))


def _performed(props: Mapping[str, Any], playbook: str) -> Properties:
    with teller(props["urn"]) as tell:
        return performed(
            play_of(props, playbook), Stage(started, tell), lambda: datetime.now(UTC).isoformat()
        )


def _too_short(name: str) -> str:
    return (
        f"secret variable {name}: found a value of fewer than {LEAST} characters, allowed {LEAST} or more, "
        "as a shorter one can't be kept out of messages; choose a longer one, or make it a plain variable"
    )
