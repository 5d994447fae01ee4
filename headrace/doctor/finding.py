"""What a check finds: a stable code, how bad it is, what was found, and what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from headrace.model.troubles import anchor

PAGE = "doctor.md"
MOST_NAMED = 5  # objects that one finding lists


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # it works, or works for others; look at it
    FAULT = "fault"  # something does not work
    SKIPPED = "skipped"  # not looked at, with the reason


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer. `remedy` is empty where nothing is to be done; `see` is a place in the docs."""

    code: str
    group: str
    severity: Severity
    found: str
    remedy: str = ""
    see: str = ""


@dataclass(frozen=True, slots=True)
class Ground:
    """What is examined, as remedies name it. `kubeconfig`: of a cluster; none: a stack of this machine."""

    state: str
    functions: str = "functions"
    kubeconfig: str = ""
    namespace: str = "headrace"

    @property
    def is_cluster(self) -> bool:
        """Whether services are pods."""
        return bool(self.kubeconfig)

    @property
    def names(self) -> Mapping[str, str]:
        """The places that remedies leave open."""
        return {
            "state": self.state,
            "functions": self.functions,
            "kubeconfig": self.kubeconfig,
            "namespace": self.namespace,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One question. `code` never changes its meaning; `asks` and the remedies are shown in the docs.

    A remedy may leave places open, in braces; `on_cluster` takes the place of `remedy` there. `worst` is the
    severest that it finds.
    """

    code: str
    group: str
    asks: str
    remedy: str = ""
    on_cluster: str = ""
    worst: Severity = Severity.FAULT

    @property
    def see(self) -> str:
        """Its place in the docs."""
        return f"{PAGE}#{anchor(self.code)}"

    def ok(self, found: str) -> Finding:
        """All is well."""
        return Finding(self.code, self.group, Severity.OK, found, "", self.see)

    def skipped(self, reason: str) -> Finding:
        """It was not looked at."""
        return Finding(self.code, self.group, Severity.SKIPPED, reason, "", self.see)

    def warning(self, ground: Ground, found: str, *, instead: str = "", **names: str) -> Finding:
        """It is worth a look. `instead`: what helps here, and the check's own remedy does not."""
        remedy = self._filled(ground, instead, names)
        return Finding(self.code, self.group, Severity.WARNING, found, remedy, self.see)

    def fault(self, ground: Ground, found: str, *, instead: str = "", **names: str) -> Finding:
        """Something does not work; the rest as of `warning`."""
        remedy = self._filled(ground, instead, names)
        return Finding(self.code, self.group, Severity.FAULT, found, remedy, self.see)

    def _filled(self, ground: Ground, instead: str, names: Mapping[str, str]) -> str:
        usual = self.on_cluster if ground.is_cluster and self.on_cluster else self.remedy
        return (instead or usual).format_map({**ground.names, **names})


def listed(names: Iterable[str]) -> str:
    """Names for people: the first few, and how many more."""
    every = list(names)
    more = f" and {len(every) - MOST_NAMED:,} more" if len(every) > MOST_NAMED else ""
    return ", ".join(every[:MOST_NAMED]) + more


def worst_of(findings: Iterable[Finding]) -> Severity:
    """The severest; skipped ones do not count."""
    found = {each.severity for each in findings}
    return next((each for each in (Severity.FAULT, Severity.WARNING) if each in found), Severity.OK)
