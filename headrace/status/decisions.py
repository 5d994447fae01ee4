"""What the scaler decided anew, told by two of its explanations, one after the other. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from headrace.model.node import NodeState
from headrace.scaler.explaining import Explanation, FunctionStory, NodeStory
from headrace.scaler.plan import Reason
from headrace.status.document import MOST_WORDS, About, DecisionShown, Why
from headrace.status.words import bounded

MOST_NAMED = 3  # nodes of one step
_WORK = frozenset({NodeState.IDLE, NodeState.BUSY})  # files come and go: nobody decides that
_GONE = Why(code="gone", text="it is not there any more")


def why(reason: Reason) -> Why:
    """A reason as the document has it."""
    return Why(code=reason.code.value, text=bounded(reason.text, MOST_WORDS))


def decided(before: Explanation, after: Explanation) -> tuple[DecisionShown, ...]:
    """What is other now, in the order of functions and pools; figures that only move on are not told."""
    if after.at == before.at:
        return ()
    return (*_of_functions(before, after), *_of_nodes(before, after))


def _of_functions(before: Explanation, after: Explanation) -> Iterator[DecisionShown]:
    known = {each.name: each for each in before.functions}
    at = round(after.at)
    for story in after.functions:
        earlier = known.pop(story.name, None)
        was, wanted = _wanted(earlier), _wanted(story)
        if was != wanted:
            yield _step(at, (About.WORKERS, story.name), (str(was), str(wanted)), why(story.reason))
        yield from _of_files(at, earlier, story)
    for name, earlier in known.items():
        if _wanted(earlier):
            yield _step(at, (About.WORKERS, name), (str(_wanted(earlier)), "0"), _GONE)


def _wanted(story: FunctionStory | None) -> int:
    return sum(story.wanted.values()) if story is not None else 0


def _of_files(at: int, earlier: FunctionStory | None, story: FunctionStory) -> Iterator[DecisionShown]:
    before, after = _unmet(earlier), _unmet(story)
    for code, (files, reason) in after.items():
        if code not in before:
            yield _step(at, (About.FILES, story.name), ("0", str(files)), reason)
    for code, (files, reason) in before.items():
        if code not in after:
            yield _step(at, (About.FILES, story.name), (str(files), "0"), reason)


def _unmet(story: FunctionStory | None) -> Mapping[str, tuple[int, Why]]:
    """By code: how many files nothing is done for."""
    found: dict[str, tuple[int, Why]] = {}
    for short in story.unmet if story is not None else ():
        files, reason = found.get(short.reason.code.value, (0, why(short.reason)))
        found[short.reason.code.value] = (files + short.files, reason)
    return found


def _of_nodes(before: Explanation, after: Explanation) -> Iterator[DecisionShown]:
    """Nodes that take the same step for the same reason are told together."""
    steps: dict[tuple[str, str, str, str], list[NodeStory]] = defaultdict(list)
    known = {each.name: each for each in before.nodes}
    for node in after.nodes:
        earlier = known.pop(node.name, None)
        for was, new in _changes(earlier, node):
            steps[node.pool, was, new, node.reason.code.value].append(node)
    for node in known.values():
        if node.state is not NodeState.OFF:
            steps[node.pool, node.state.value, NodeState.OFF.value, _GONE.code].append(node)
    at = round(after.at)
    for (pool, was, new, code), nodes in steps.items():
        reason = _GONE if code == _GONE.code else why(nodes[0].reason)
        names = tuple(node.name for node in nodes)
        yield _step(at, (About.NODES, pool), (was, new), reason, names)


def _changes(earlier: NodeStory | None, node: NodeStory) -> Iterator[tuple[str, str]]:
    was = earlier.state if earlier is not None else NodeState.OFF
    if was is not node.state and not {was, node.state} <= _WORK:
        yield was.value, node.state.value
    if earlier is not None and earlier.enabled is not node.enabled:
        yield _able(enabled=earlier.enabled), _able(enabled=node.enabled)


def _able(*, enabled: bool) -> str:
    return "enabled" if enabled else "disabled"


def _step(
    at: int, what: tuple[About, str], change: tuple[str, str], reason: Why, nodes: tuple[str, ...] = ()
) -> DecisionShown:
    (about, name), (before, after) = what, change
    return DecisionShown(
        at=at,
        about=about,
        name=name,
        before=before,
        after=after,
        count=max(1, len(nodes)),
        nodes=nodes[:MOST_NAMED],
        why=reason,
    )
