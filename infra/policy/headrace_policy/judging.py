"""Rules and exceptions together: what a resource is refused for, and what an exception lets pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .exceptions import Exemption, Exemptions, stale
from .values import Fault, Resource, Rule, Surroundings


@dataclass(frozen=True, slots=True)
class Verdict:
    """A fault of a resource, and the exception that lets it pass, if any does."""

    rule: Rule
    resource: Resource
    fault: Fault
    exemption: Exemption | None

    def __str__(self) -> str:
        told = f"{self.resource.name}: {self.fault}"
        if self.exemption is None:
            return told
        return f"{self.rule.name} let pass: {told}\nby {self.exemption.source}: {self.exemption.reason}"


@dataclass(frozen=True, slots=True)
class Judge:
    """All that decides; holds for one run."""

    rules: Sequence[Rule]
    exemptions: Exemptions
    surroundings: Surroundings

    def verdicts(self, rule: Rule, resources: Sequence[Resource]) -> Iterator[Verdict]:
        """By one rule; for a rule of a whole stack the resources have to be all of it."""
        for resource, fault in rule.findings(resources, self.surroundings):
            covering = (each for each in self.exemptions.valid if each.covers(rule.name, resource, fault))
            yield Verdict(rule, resource, fault, next(covering, None))

    def let_pass(self, resources: Sequence[Resource]) -> Iterator[Verdict]:
        """What exceptions let pass in a whole stack."""
        for rule in self.rules:
            yield from (each for each in self.verdicts(rule, resources) if each.exemption)

    def stale(self, resources: Sequence[Resource]) -> Iterator[str]:
        """Exceptions that no fault of a whole stack needs."""
        used = {each.exemption for each in self.let_pass(resources) if each.exemption}
        return stale(self.exemptions.valid, resources, used)
