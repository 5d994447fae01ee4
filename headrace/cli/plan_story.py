"""Prints why there are so many workers and nodes, what is on its way, and what can't be met."""

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from headrace.cli.docs import docs_base, see
from headrace.cli.output import counted, duration, moment, out, shown
from headrace.model.amounts import amount_text
from headrace.model.node import NodeState
from headrace.model.tenant import amount_text as quota_text
from headrace.scaler.explaining import Explanation, FunctionStory, NodeStory, PoolStory, TenantStory
from headrace.scaler.plan import Reason, ReasonCode

WAITING_PAGE = "troubleshooting.md#files-wait-long"
FEW = 10  # nodes that are all told of
_UNTOLD = "pods"  # each worker is one
_AT_REST = (NodeState.OFF, ReasonCode.NOTHING_WAITS)


def print_explanation(explained: Explanation) -> None:
    """A block a function and node, with the pools."""
    console = out()
    console.print(Text(f"decided {moment(explained.at)}; nothing has changed since", style="dim"))
    for function in explained.functions:
        _block(function.name, _function(function, explained.at))
    for node in told_nodes(explained.nodes):
        _block(f"node {node.name}", _node(node))
    for tenant in explained.tenants:
        _block(f"tenant {tenant.name}", _tenant(tenant))
    for pool in explained.pools:
        _block(f"pool {pool.name}", _pool(pool))
    if not explained.functions and not explained.nodes:
        console.print("no function is installed, and no node is known")
    if any(function.unmet for function in explained.functions):
        print_where_told()


def print_where_told() -> None:
    """Where the docs tell what to do about files for which nothing is done."""
    out().print(Text(f"see {see(WAITING_PAGE, docs_base())}", style="dim"))


def told_nodes(nodes: Sequence[NodeStory]) -> Sequence[NodeStory]:
    """Those worth a block: of many, none that is off because nothing waits; its pool counts it."""
    if len(nodes) <= FEW:
        return nodes
    return [each for each in nodes if (each.state, each.reason.code) != _AT_REST]


def _block(title: str, lines: Iterator[tuple[str, str]]) -> None:
    console = out()
    console.print(Text(shown(title), style="cyan"))
    for name, text in lines:
        console.print(Text.assemble(f"  {name:<10}", (shown(text), "yellow" if name == "unmet" else "")))


def _function(story: FunctionStory, now: float) -> Iterator[tuple[str, str]]:
    wanted = sum(story.wanted.values())
    if story.tenant:
        yield "tenant", story.tenant
    yield "workers", f"{wanted} wanted, {story.workers} there, {story.working} with files"
    yield "because", _reason(story.reason)
    if story.waiting and story.oldest is not None:
        age = duration(max(0.0, now - story.oldest))
        yield "waiting", f"{counted(story.waiting, 'file')}, the oldest for {age}"
    if wanted > story.workers:
        start = duration(story.service.start_seconds)
        yield "coming", f"{counted(wanted - story.workers, 'worker')}, usually within {start}"
    yield "needs", f"{_amounts(story.request)} a worker"
    if story.gpu:
        yield "gpu", story.gpu
    yield "a file", f"takes about {duration(story.service.file_seconds)}{_by_size(story)}"
    for short in story.unmet:
        until = f", looked at again by {moment(short.until)}" if short.until is not None else ""
        yield "unmet", f"{counted(short.files, 'file')}: {_reason(short.reason)}{until}"


def _by_size(story: FunctionStory) -> str:
    per_megabyte = story.service.seconds_per_byte * 1e6
    return f" and {duration(per_megabyte)} a megabyte" if per_megabyte >= 0.005 else ""


def _node(story: NodeStory) -> Iterator[tuple[str, str]]:
    able = "" if story.enabled else ", disabled"
    yield "state", f"{story.state}{able}, since {moment(story.since)}, of pool {story.pool}"
    yield "because", _reason(story.reason)
    if story.workers:
        yield "workers", ", ".join(f"{number} of {name}" for name, number in sorted(story.workers.items()))
    if story.expected is not None:
        yield "coming", f"thought to be there by {moment(story.expected)}"


def _tenant(story: TenantStory) -> Iterator[tuple[str, str]]:
    part = f"{story.share:.0%} of {story.resource}" if story.resource else "nothing"
    rank = f", priority {story.priority}" if story.priority else ""
    yield "share", f"{part} by {counted(story.workers, 'worker')}; weight {story.weight:g}{rank}"
    if story.waiting:
        yield "waiting", counted(story.waiting, "file")
    if story.quota:
        bounds = (
            f"{name} {quota_text(name, story.used[name])} of {quota_text(name, most)}"
            for name, most in story.quota.items()
        )
        yield "quota", ", ".join(bounds)


def _pool(story: PoolStory) -> Iterator[tuple[str, str]]:
    states = ", ".join(f"{number} {state}" for state, number in sorted(story.nodes.items())) or "none"
    yield "nodes", f"{states}; {story.min_nodes} to {story.max_nodes} allowed"
    yield "each has", _amounts(story.capacity)
    if story.boot.usual_seconds:
        failing = "; boots fail lately" if story.boot.failing else ""
        usual, safe = duration(story.boot.usual_seconds), duration(story.boot.safe_seconds)
        yield "a boot", f"takes {usual}, planned with {safe}{failing}"
    if story.left_out:
        yield "unused", story.left_out


def _reason(reason: Reason) -> str:
    return f"{reason.text} ({reason.code})"


def _amounts(amounts: Mapping[str, int]) -> str:
    named = (f"{name} {amount_text(name, amount)}" for name, amount in amounts.items() if name != _UNTOLD)
    return ", ".join(named)
