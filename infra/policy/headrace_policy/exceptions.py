"""Named exceptions: which fault of which resource passes, why, and until when.

Headrace's own stand in `exceptions.yaml` beside the pack, those of a stack in the stack's file, under
`headrace-policy:exceptions`. Parsed here, all faults of them at once.
"""

import datetime
import fnmatch
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .values import Fault, Resource

_REQUIRED = ("rule", "resource", "reason")
_KEYS = (*_REQUIRED, "at", "until")
_SHORTEST_REASON = 10  # letters: less says nothing


@dataclass(frozen=True, slots=True)
class Exemption:
    """One exception; `is_shipped`: Headrace's own, for a resource that not every stack has."""

    source: str
    rule: str
    resource: str
    reason: str
    at: str = "*"
    is_shipped: bool = False

    def names(self, resource: Resource) -> bool:
        """Whether it is about this resource: its URN, or TYPE::NAME with the types of its parents before."""
        kind_and_name = resource.urn.split("::", 2)[-1]
        return any(
            fnmatch.fnmatchcase(each, _literal(self.resource))
            for each in (resource.urn, kind_and_name, f"{resource.type}::{resource.name}")
        )

    def covers(self, rule: str, resource: Resource, fault: Fault) -> bool:
        """Whether it lets this fault pass."""
        return (
            self.rule == rule and self.names(resource) and fnmatch.fnmatchcase(fault.where, _literal(self.at))
        )

    def __str__(self) -> str:
        at = f" at {self.at!r}" if self.at != "*" else ""
        return f"{self.source}: {self.rule} of {self.resource}{at}"


@dataclass(frozen=True, slots=True)
class Exemptions:
    """Those that hold, and what is wrong with the others."""

    valid: tuple[Exemption, ...] = ()
    faults: tuple[str, ...] = ()

    def __add__(self, other: "Exemptions") -> "Exemptions":
        return Exemptions(self.valid + other.valid, self.faults + other.faults)


def parse(
    found: object, source: str, *, rules: Collection[str], today: datetime.date, shipped: bool = False
) -> Exemptions:
    """What a file or a key holds: a list of entries, or nothing. One that is wrong lets nothing pass."""
    if found is None:
        return Exemptions()
    if not isinstance(found, list | tuple):
        told = f"{source}: found {type(found).__name__}, allowed a list of exceptions; write one with -"
        return Exemptions(faults=(told,))
    valid, faults = [], []
    for number, entry in enumerate(found, 1):
        where = f"{source} [{number}]"
        wrong = list(_faults(entry, rules, today))
        faults += [f"{where}: {each}" for each in wrong]
        if not wrong:
            valid.append(_exemption(entry, where, shipped=shipped))
    return Exemptions(tuple(valid), tuple(faults))


def _exemption(entry: Mapping[str, object], source: str, *, shipped: bool) -> Exemption:
    rule, resource, reason = (str(entry[key]) for key in _REQUIRED)
    return Exemption(source, rule, resource, reason.strip(), str(entry.get("at", "*")), shipped)


def _faults(entry: object, rules: Collection[str], today: datetime.date) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield f"found {entry!r}, allowed a mapping with {', '.join(_REQUIRED)}; write one"
        return
    for key in sorted(map(str, set(entry) - set(_KEYS))):
        yield f"found the unknown key {key}, allowed {', '.join(_KEYS)}; take it out"
    for key in (*_REQUIRED, "at"):
        if key in entry and not (isinstance(entry[key], str) and str(entry[key]).strip()):
            yield f"{key}: found {entry[key]!r}, allowed a text; write one"
        elif key in _REQUIRED and key not in entry:
            yield f"{key}: found none, allowed a text; write one"
    yield from _unfit(entry, rules)
    if "until" in entry:
        yield from _expired(entry["until"], today)


def _unfit(entry: Mapping[str, object], rules: Collection[str]) -> Iterator[str]:
    rule, resource, reason = (str(entry.get(key) or "").strip() for key in _REQUIRED)
    if rule and rule not in rules:
        yield f"rule: found {rule!r}, allowed {', '.join(sorted(rules))}; name one of them"
    if resource and not any(part.strip("*?$:") for part in resource.rpartition("::")[::2]):
        yield f"resource: found {resource!r}, allowed less than every one; name its type or its name"
    if reason and sum(map(str.isalpha, reason)) < _SHORTEST_REASON:
        yield f"reason: found {reason!r}, allowed a sentence; say why it has to pass"


def _expired(until: object, today: datetime.date) -> Iterator[str]:
    """Pulumi hands a date of a stack's file on as `2027-01-31 00:00:00 +0000 UTC`."""
    day = str(until).removesuffix(" 00:00:00 +0000 UTC")
    try:
        last = datetime.date.fromisoformat(day)
    except ValueError:
        yield f"until: found {until!r}, allowed a date like 2027-01-31; write one"
        return
    if last < today:
        yield f"until: found {last}, which is over, allowed a day to come; mend the resource, or decide anew"


def _literal(pattern: str) -> str:
    """Only * and ? stand for others: a [ is one."""
    return pattern.replace("[", "[[]")


def stale(
    exemptions: Sequence[Exemption], resources: Sequence[Resource], used: Collection[Exemption]
) -> Iterator[str]:
    """Those that a whole stack does not need (any more); `used` are the others.

    One that is shipped may be for a stack with other parts; and what is not known yet may be a fault still.
    """
    for each in exemptions:
        named = [resource for resource in resources if each.names(resource)]
        dark = any(resource.inputs.holds_unknown() for resource in named)
        if each.is_shipped or each in used or dark:
            continue
        found = "no such fault any more" if named else "no such resource"
        yield f"{each}: found {found}, allowed what is needed; mend the exception, or take it out"
