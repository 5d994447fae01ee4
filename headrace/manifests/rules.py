"""What a schema alone can't say of our objects, in CEL, which the API server evaluates at each write.

By the model's class. Every rule is one of the model's own, or says what an object lacks that has no folder
beside it. The messages are the model's.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headrace.model.amounts import HUGE_PAGES
from headrace.model.function import Access, Scale
from headrace.model.gpu_sharing import GIGABYTE, MOST_SLICES, VENDOR
from headrace.model.pool import UNSAID, Driver, NodePoolSpec, Provides
from headrace.model.quantity import MAX_QUANTITY
from headrace.model.resources import CPU, EPHEMERAL_STORAGE, MEMORY, PODS


@dataclass(frozen=True, slots=True)
class Rule:
    """`holds` is true of a sound value; `told` says what is wrong. `is_computed`: `told` is CEL itself."""

    holds: str
    told: str
    is_computed: bool = False

    def manifest(self) -> dict[str, str]:
        """As a schema has it."""
        return {"rule": self.holds, "messageExpression" if self.is_computed else "message": self.told}


_WAYS = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in ("handler", "script", "http"))
_SHARINGS = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in ("timeslice", "mps", "mig"))
_SLICES = "self.mig.map(p, int(p.substring(0, 1)) * self.mig[p]).sum()"
_GIGABYTES = "self.sharing.mig.map(p, int(p.substring(3, p.size() - 2)) * self.sharing.mig[p]).sum()"
_DEFAULT_SCALE = Scale()
_PROVIDES = NodePoolSpec.model_fields["provides"].default.value


def text(words: str) -> str:
    """A literal of CEL."""
    return "'" + words.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _listed(words: Iterable[str]) -> str:
    return f"[{', '.join(map(text, words))}]"


def _unsaid_amount() -> str:
    """What a pool has of resource `n` where its capacity says nothing."""
    otherwise = text("0")
    for name, amount in UNSAID.items():
        otherwise = f"n == {text(name)} ? {text(amount)} : {otherwise}"
    return otherwise


QUANTITY = Rule(
    f"quantity(self).isGreaterThan(quantity('0')) && quantity(self).isLessThan(quantity('{MAX_QUANTITY}'))",
    f'"found \'" + self + "\', allowed > 0 and < {MAX_QUANTITY} (2^63 - 1); write what is needed"',
    is_computed=True,
)
# Two, as each call on a text whose length CEL does not know takes a good part of what a rule may cost.
AMOUNT = (
    Rule("quantity(string(self)).isGreaterThan(quantity('0'))", "found 0, allowed > 0; write what is needed"),
    Rule(
        f"quantity(string(self)).isLessThan(quantity('{MAX_QUANTITY}'))",
        f"found more, allowed < {MAX_QUANTITY} (2^63 - 1); write less",
    ),
)
NO_NULL = Rule("self.all(k, dyn(self[k]) != null)", "found a key without a value, allowed a string; write it")


def whole(least: int | None, most: int | None) -> Rule:
    """A number without a point: the server would take 8.0 for 8 where no rule looks at it."""
    bounds = f"self >= {least} && self <= {most}"
    return Rule(bounds, f"found another, allowed whole numbers from {least} to {most}; change it")


def keys_matching(pattern: str) -> Rule:
    """Of a mapping whose keys have a form."""
    return Rule(
        f"self.all(k, k.matches({text(pattern)}))",
        f"found a key of another form, allowed what matches {pattern}; rename it",
    )


_AMOUNTS = (
    Rule(
        f"self.all(n, n in {_listed((CPU, MEMORY, EPHEMERAL_STORAGE, PODS))} "
        f"|| n.startsWith('{HUGE_PAGES}') || n.contains('/'))",
        "found another name, allowed cpu, memory, ephemeral-storage, pods, hugepages-<size> or a device's "
        "name with its domain, like nvidia.com/gpu; rename it",
    ),
    Rule(
        f"self.all(n, n in {_listed((CPU, MEMORY, EPHEMERAL_STORAGE))} || n.startsWith('{HUGE_PAGES}') "
        "|| int(string(self[n])) > 0)",
        "found a part of what comes whole, or other spellings of it, allowed whole ones, in digits; round it",
    ),
)

RULES: Mapping[str, tuple[Rule, ...]] = {
    "Run": (
        Rule(
            f"{_WAYS} == 1",
            "found none or several, allowed exactly one of handler, script, http; write one of them",
        ),
        Rule(
            "!has(self.source) || has(self.script)",
            "found source without script, allowed with script only; name the script or drop source",
        ),
        Rule(
            "!has(self.script) || has(self.source)",
            "found script without source, allowed with its text, as there is no folder beside the object; "
            "put the text into source",
        ),
    ),
    "Scale": (
        Rule(
            f"self.?minWorkers.orValue({_DEFAULT_SCALE.min_workers}) "
            f"<= self.?maxWorkers.orValue({_DEFAULT_SCALE.max_workers})",
            "found minWorkers above maxWorkers, allowed minWorkers <= maxWorkers; lower one or raise the "
            "other",
        ),
    ),
    "Gpu": (
        Rule(
            f"!has(self.profile) || (has(self.access) && {text(Access.MIG.value)} in self.access)",
            "found profile without mig in access, allowed with it only; add mig to access or drop the "
            "profile",
        ),
    ),
    "Sharing": (
        Rule(
            f"{_SHARINGS} == 1",
            "found none or several, allowed exactly one of timeslice, mps, mig, as the device plugin does "
            "not combine them; write one of them",
        ),
        Rule(
            f"!has(self.mig) || {_SLICES} <= {MOST_SLICES}",
            f"found more compute slices in mig, allowed {MOST_SLICES} of one GPU; take fewer instances",
        ),
    ),
    "PoolGpus": (
        Rule(
            "!has(self.sharing) || !has(self.sharing.mig) "
            f"|| quantity(self.memory).asApproximateFloat() >= double({_GIGABYTES} * {GIGABYTE})",
            "found more gigabytes in sharing.mig, allowed what is in memory; take fewer or smaller instances",
        ),
    ),
    "NodePoolSpec": (
        Rule(
            f"!has(self.gpu) || self.capacity.all(n, !n.startsWith({text(VENDOR)}))",
            f"found {VENDOR} in capacity beside gpu, allowed one of them; drop it from capacity",
        ),
        *(
            Rule(
                f"self.?{name}.orValue(0) <= self.maxNodes",
                f"found {name} above maxNodes, allowed {name} <= maxNodes; lower one or raise the other",
            )
            for name in ("minNodes", "spareNodes")
        ),
        Rule(
            f"!(self.driver in {_listed((Driver.LOCAL.value, Driver.STATIC.value))}) "
            "|| self.?minNodes.orValue(0) == self.maxNodes",
            "found minNodes other than maxNodes, allowed the same number with driver local or static, whose "
            "nodes are always on; set both to how many there are",
        ),
        Rule(
            f"self.driver != {text(Driver.LOCAL.value)} || self.maxNodes == 1",
            "found maxNodes above 1, allowed 1 with driver local, this machine; set it to 1",
        ),
        Rule(
            f"!has(self.power) || self.driver == {text(Driver.POWER.value)}",
            "found power with another driver, allowed with driver power, which it is for; drop it, or set "
            "the driver to power",
        ),
        Rule(
            f"has(self.eks) == (self.driver == {text(Driver.EKS.value)})",
            "found eks with another driver, or driver eks without it, allowed both or none; write "
            "eks.nodeGroup beside driver eks, or drop it",
        ),
        Rule(
            f"self.?provides.orValue({text(_PROVIDES)}) != {text(Provides.NODES.value)} "
            f"|| ({text(CPU)} in self.capacity && {text(MEMORY)} in self.capacity)",
            "found no cpu or no memory in capacity, allowed nodes that have both; write what one node has",
        ),
        Rule(
            "!has(self.reserved) || self.reserved.all(n, "
            "quantity(string(self.reserved[n])).compareTo(quantity("
            f"n in self.capacity ? string(self.capacity[n]) : {_unsaid_amount()})) <= 0)",
            "found more of a resource in reserved than in capacity, allowed reserved <= capacity; lower one "
            "or raise the other",
        ),
    ),
    "NodePoolSpec.capacity": _AMOUNTS,
    "NodePoolSpec.reserved": _AMOUNTS,
}
