"""A backup taken while files come, are worked and end: restored elsewhere, it loses none and repeats none.

Uploads, workers, replays, reruns, purges, listings and sweeps go on while the backup reads, in any order of
their single calls; workers die between any two. Then the backup is restored, and worked to the end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from headrace.model.errors import HeadraceError, NotFoundError
from headrace.model.keys import MARK, mark_of
from headrace.model.record import Ending, FailureRecord, Record, read_record
from headrace.model.task import Task, task_id
from headrace.worker.attempt import RETURNED
from tests.unit.backup_bench import (
    BUCKETS,
    FAILED,
    FUNCTIONS,
    LEASE_SECONDS,
    PLATFORM,
    CrashError,
    Hands,
    Town,
    Turns,
    Vault,
)

OLD = ("uploads", "o/old")  # older than the function that would take it, and ignored therefore
RETURNABLE = (Ending.GONE, Ending.SUPERSEDED)


@dataclass(frozen=True)
class Deed:
    """What somebody does, by the name of a method of Hands; `crash_at`: the call that never happens."""

    what: str
    arguments: tuple[object, ...] = ()
    crash_at: int | None = None

    async def do(self, hands: Hands) -> None:
        with suppress(CrashError, HeadraceError):
            await getattr(hands, self.what)(*self.arguments)


def _deeds(what: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Deed]:
    crashes = st.one_of(st.none(), st.none(), st.integers(1, 15))
    return st.builds(Deed, st.just(what), st.tuples(*arguments), crashes)


names = st.sampled_from([each.name for each in FUNCTIONS])
keys = st.sampled_from(["a/1", "a/2", "a/3", "o/1"])
uploads = _deeds("upload", st.just("uploads"), keys, st.binary(min_size=1, max_size=2))
works = _deeds("work", names, st.sampled_from([RETURNED, RETURNED, FAILED]))
rare = st.one_of(
    _deeds("delete", st.just("uploads"), keys),
    _deeds("look_for_lost"),
    *(_deeds(what, names) for what in ("replay", "rerun", "purge", "sweep")),
)
plays = st.lists(st.one_of(uploads, works, works, works, rare), max_size=6)
# Who makes the next calls, and how many in a row: the backup, or one of two others.
choices = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60)), max_size=12)
BACKUP, OTHERS = 1, 0  # in the order of the actors' names
UNPUBLISHED = 5  # the call of a worker that copies the result of the record that it has just made
SOME_FILES = tuple(Deed("upload", ("uploads", key, b"z")) for key in ("a/1", "a/2", "a/3", "o/1"))


@dataclass(frozen=True)
class Facts:
    """A town at one moment: its records, and the ids of tasks in its queue."""

    records: dict[str, bytes]
    queued: set[str]

    @classmethod
    async def of(cls, town: Town) -> "Facts":
        return cls(await town.records(), await town.queued())


async def _play(town: Town, play: Sequence[Deed], hands_of: Callable[[Deed], Hands]) -> None:
    for deed in play:
        await deed.do(hands_of(deed))
        if deed.crash_at is not None:
            town.clock[0] += LEASE_SECONDS + 1


def _hands(town: Town, turns: Turns, actor: str) -> Callable[[Deed], Hands]:
    return lambda deed: town.hands(turns.before(actor, crash_at=deed.crash_at))


async def _founded(before: Sequence[Deed]) -> Town:
    town = await Town().open(*BUCKETS)
    await town.storage.put(*OLD, b"old")
    town.clock[0] += 100
    await town.hands().come()
    turns = Turns()
    await turns.play({"one": _play(town, before, _hands(town, turns, "one"))})
    return town


async def _backed_up(
    town: Town, vault: Vault, actors: Sequence[Sequence[Deed]], choices: Iterable[tuple[int, int]]
) -> int:
    """The backup is an actor like the others; how many calls it made."""
    turns = Turns()

    async def back_up() -> None:
        await vault.back_up(town.site(town.hands(turns.before("backup"))))

    playing: dict[str, Awaitable[None]] = {"backup": back_up()}
    for number, play in enumerate(actors):
        name = f"actor{number}"
        playing[name] = _play(town, play, _hands(town, turns, name))
    await turns.play(playing, choices)
    return turns.calls["backup"]


async def _scenario(
    before: Sequence[Deed], actors: Sequence[Sequence[Deed]], choices: Sequence[tuple[int, int]]
) -> None:
    town = await _founded(before)
    vault = Vault(town.clock)
    at_first = await Facts.of(town)
    calls = await _backed_up(town, vault, actors, choices)
    at_last = await Facts.of(town)

    copy = await Town(clock=town.clock).open()
    await vault.restore(copy.site(functions=()))
    restored = await Facts.of(copy)
    kept = {i: body for i, body in at_first.records.items() if at_last.records.get(i) == body}
    assert kept.items() <= restored.records.items(), "a record that was there throughout is there"
    lost = {*at_first.queued, *at_first.records} - {*restored.queued, *restored.records}
    assert lost == set(), "what waited or had ended waits or has ended"
    await _check_indices(copy)

    objects = await copy.objects()
    await copy.hands().come()
    for bucket, key in objects:
        await copy.hands().notify(bucket, key)  # the store tells of what was put, and may be late
    await copy.hands().work_all()
    await _judge(copy, restored, objects)
    for each in (town, copy):
        each.close()
    return calls


async def _check_indices(town: Town) -> None:
    failures = {record.task.id for record in await town.read_records() if isinstance(record, FailureRecord)}
    indices = {key.rpartition("/")[2] for key in await town.keys(PLATFORM, "failures/")}
    assert failures == indices


async def _judge(town: Town, restored: Facts, objects: Iterable[tuple[str, str]]) -> None:
    """A town that has worked all it can. What waited beside a record had something left to publish."""
    records = {record.task.id: record for record in await town.read_records()}
    assert restored.queued <= records.keys(), "what waited has ended"
    for place in objects:
        for task in await _tasks_on(town, *place):
            assert (task in records) is (place != OLD), f"{place} has its ending, and is as old as it was"
    assert not {*await _tasks_on(town, *OLD)} & {*town.started}
    ended = {task: read_record(body) for task, body in restored.records.items()}
    final = {task for task, ending in ended.items() if ending.state not in RETURNABLE}
    assert (final - restored.queued) & {*town.started} == set(), "what had a record is not worked again"
    for record in records.values():
        if isinstance(record, Record):
            await _check_outputs(town, record, records.values())


async def _tasks_on(town: Town, bucket: str, key: str) -> list[str]:
    """The tasks that an object makes."""
    info = await town.storage.head(bucket, key)
    sources = [(each.name, each.spec.input[0]) for each in FUNCTIONS]
    takers = [name for name, source in sources if source.bucket == bucket and source.takes(key)]
    return [task_id(name, bucket, key, info.identity) for name in takers]


async def _check_outputs(town: Town, record: Record, records: Iterable[Record | FailureRecord]) -> None:
    """The final keys hold what a record of the newest input names; that of any of its runs."""
    task = record.task
    try:
        current = (await town.storage.head(task.bucket, task.key)).identity == task.identity
    except NotFoundError:
        return
    same = [each for each in records if isinstance(each, Record) and _input(each.task) == _input(task)]
    marks = {mark_of(each.task.id, each.attempt) for each in same}
    for output in record.outputs if current else ():
        found = await town.storage.head(output.bucket, output.key)
        assert found.metadata[MARK] in marks, f"{output.bucket}/{output.key} is not the result of {task.key}"


def _input(task: Task) -> tuple[str, str, str, str]:
    return task.function, task.bucket, task.key, task.identity


@settings(max_examples=60)
@given(before=plays, actors=st.tuples(plays, plays), choices=choices)
def test_nothing_is_lost_and_nothing_that_had_a_record_is_worked_twice(before, actors, choices):
    note(f"{before}\n{actors}\n{choices}")
    asyncio.run(_scenario((*SOME_FILES, *before), actors, choices))


WORK = Deed("work", ("first", RETURNED))
FAILURE = Deed("work", ("first", FAILED))
REPLAY = Deed("replay", ("first",))
# One is done and swept, one has failed, one was recorded by a worker that died before it published.
A_BIT_OF_ALL = (
    *SOME_FILES,
    WORK,
    Deed("sweep", ("first",)),
    FAILURE,
    Deed("work", ("first", RETURNED), UNPUBLISHED),
)
OTHER = Deed("upload", ("uploads", "a/1", b"other"))


@pytest.mark.parametrize(
    "play",
    [
        (Deed("work", ("young", RETURNED)),),
        (OTHER, WORK, WORK),
        (REPLAY,),
        (REPLAY, WORK, WORK),
        (REPLAY, FAILURE, FAILURE, REPLAY),
        (Deed("rerun", ("first",)), WORK, WORK),
        (Deed("purge", ("young",)), Deed("replay", ("young",))),
        (Deed("work", ("young", RETURNED)), Deed("sweep", ("young",))),
        (Deed("delete", ("uploads", "a/1")), Deed("upload", ("uploads", "a/1", b"z"))),
    ],
    ids=lambda play: " ".join(deed.what for deed in play),
)
def test_whatever_happens_at_one_moment_of_a_backup(play):
    moment = 0
    while asyncio.run(_scenario(A_BIT_OF_ALL, [play], [(BACKUP, moment), (OTHERS, 1000)])) > moment:
        moment += 1
    assert moment > 50, "the backup makes at least so many calls"
