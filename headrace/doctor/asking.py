"""Groups are asked at once, each within its time; one that does not answer is told, not waited for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from headrace.doctor.finding import Check, Finding
from headrace.model.errors import HeadraceError

GROUP_SECONDS = 20.0  # for all of a group's calls; a port's own call gives up after some seconds

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Group:
    """Checks that are answered together. `answer` gathers the facts and judges them."""

    name: str
    checks: Sequence[Check]
    answer: Callable[[], Awaitable[Sequence[Finding]]]
    seconds: float = GROUP_SECONDS


def skipping(name: str, checks: Sequence[Check], reason: str) -> Group:
    """A group that can't be asked."""

    async def answer() -> Sequence[Finding]:
        return [each.skipped(reason) for each in checks]

    return Group(name, checks, answer)


async def ask(groups: Sequence[Group], told: Callable[[Group, Sequence[Finding]], None]) -> list[Finding]:
    """Every check's findings, in the order of the groups; `told` of each group as it is done."""

    async def one(group: Group) -> Sequence[Finding]:
        findings = await _answer(group)
        told(group, findings)
        return findings

    return [each for found in await asyncio.gather(*map(one, groups)) for each in found]


async def _answer(group: Group) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(group.seconds):
            return await group.answer()
    except TimeoutError:
        reason = f"no answer within {group.seconds:g} s"
    except HeadraceError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001  (one broken group takes nothing from the others)
        _log.exception("group %s", group.name, extra={"action": "doctor.group_failed", "group": group.name})
        reason = f"it could not be looked at: {error!r}"
    return [each.skipped(reason) for each in group.checks]
