"""The service's start, its loops and its readiness, on time that passes as the test says."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.events.service import (
    AGAIN_SECONDS,
    FAILED_SECONDS,
    STANDBY_SECONDS,
    START_RETRY_SECONDS,
    WATCH_SECONDS,
    YOUNG_SECONDS,
    Service,
)
from headrace.events.sources import FolderSource
from headrace.metrics import catalogue
from headrace.model.backed import LastBackup
from headrace.model.errors import FatalError, NotFoundError, TransientError
from headrace.model.keys import last_backup_key
from headrace.model.tenancy import tenant_of
from tests.unit.backup_bench import Source
from tests.unit.intake_bench import NOW, PLATFORM, Bench, function
from tests.unit.memory_messages import QUEUE, MemoryMessages
from tests.unit.test_events_polling import event
from tests.unit.test_roster import install

LISTING_SECONDS = 300.0


class Lying:
    """A store in which every writer wins, or which is away at first."""

    def __init__(
        self, inner: Any, *, everyone_wins: bool = False, away_for: int = 0, fault: Exception | None = None
    ) -> None:
        self._inner = inner
        self._everyone_wins = everyone_wins
        self._away_for = away_for
        self._fault = fault or TransientError("away")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def create(self, bucket: str, key: str, body: bytes) -> bool:
        if self._away_for:
            self._away_for -= 1
            raise self._fault
        won = await self._inner.create(bucket, key, body)
        return won or self._everyone_wins


class Scene:
    """A service whose sleeps are noted, and take no time."""

    def __init__(
        self, bench: Bench, folder: Path, *, storage: Any = None, messages: MemoryMessages | None = None
    ) -> None:
        self.slept: list[float] = []
        self.given_up = asyncio.Event()
        self.leads = True
        self.messages = messages
        self.service = Service(
            bench.settings,
            FolderSource(folder, sleep=self.sleep),
            storage or bench.storage,
            bench.queue,
            clock=bench.now,
            leading=lambda: self.leads,
            messages=messages,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            await asyncio.sleep(0)

    async def is_ready(self) -> bool:
        try:
            await self.service._probe()
        except TransientError:
            return False
        return True


@pytest.mark.parametrize("fault", [TransientError("away"), NotFoundError("the bucket is not there")])
async def test_the_start_waits_for_a_server_or_a_bucket_that_is_not_there_and_says_so_once(
    tmp_path: Path, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await Bench().open()
    install(tmp_path, "one")
    scene = Scene(bench, tmp_path, storage=Lying(bench.storage, away_for=3, fault=fault))
    await scene.service.start()
    assert scene.slept == [START_RETRY_SECONDS] * 3
    assert caplog.text.count(str(fault)) == 1


async def test_the_start_waits_for_the_queue_though_no_function_is_the_stacks_own(tmp_path: Path) -> None:
    class Away(Lying):
        async def backlog(self, name: str) -> Any:
            if self._away_for:
                self._away_for -= 1
                raise self._fault
            return await self._inner.backlog(name)

    bench = await Bench().open()
    scene = Scene(bench, tmp_path)
    scene.service = Service(
        bench.settings, Source((function("echo").owned_by("lab"),)), bench.storage,
        Away(bench.queue, away_for=2), clock=bench.now, sleep=scene.sleep,
    )  # fmt: skip
    await scene.service.start()
    assert scene.slept == [START_RETRY_SECONDS] * 2
    assert [each.name for each in scene.service._roster.functions] == ["lab.echo"]


async def test_the_start_waits_for_no_tenant_whose_account_does_not_answer(tmp_path: Path) -> None:
    class Mute(Lying):
        async def ensure(self, name: str, **settings: Any) -> None:
            if tenant_of(name):
                raise TransientError("did not answer")
            await self._inner.ensure(name, **settings)

    bench = await Bench().open()
    scene = Scene(bench, tmp_path)
    own = function("echo")
    scene.service = Service(
        bench.settings, Source((own, own.owned_by("lab"))), bench.storage, Mute(bench.queue),
        clock=bench.now, sleep=scene.sleep,
    )  # fmt: skip
    await scene.service.start()
    assert [each.name for each in scene.service._roster.functions] == ["echo"]


async def test_the_service_is_ready_when_the_store_has_passed_the_race(tmp_path: Path) -> None:
    bench = await Bench().open()
    scene = Scene(bench, tmp_path)
    await scene.service.start()
    assert not await scene.is_ready()
    async with scene.service.background(scene.given_up.set):
        await scene.until(lambda: scene.service._is_proven)
        assert await scene.is_ready()
    assert not scene.given_up.is_set()


async def test_a_store_that_lets_two_win_ends_the_service(tmp_path: Path) -> None:
    bench = await Bench().open()
    scene = Scene(bench, tmp_path, storage=Lying(bench.storage, everyone_wins=True))
    with pytest.raises(FatalError):
        async with scene.service.background(scene.given_up.set):
            await scene.given_up.wait()
    assert not await scene.is_ready()


async def test_lost_files_are_found_at_the_start_and_then_from_time_to_time(tmp_path: Path) -> None:
    bench = await Bench().open()
    install(tmp_path, "one")
    scene = Scene(bench, tmp_path)
    await scene.service.start()
    await bench.put("a.dcm")
    async with scene.service.background(scene.given_up.set):
        await scene.until(lambda: LISTING_SECONDS in scene.slept)
        assert await bench.queued("one") == {"a.dcm"}
        await bench.put("b.dcm")
        await scene.until(lambda: scene.slept.count(LISTING_SECONDS) > 2)
        assert await bench.queued("one") == {"a.dcm", "b.dcm"}


async def test_a_listing_that_found_a_server_away_is_repeated_soon(tmp_path: Path) -> None:
    class Away(Lying):
        async def list(self, bucket: str, prefix: str = "") -> Any:
            raise TransientError("away")
            yield

    bench = await Bench().open()
    install(tmp_path, "one")
    scene = Scene(bench, tmp_path, storage=Away(bench.storage))
    await scene.service.start()
    async with scene.service.background(scene.given_up.set):
        await scene.until(lambda: scene.slept.count(FAILED_SECONDS) > 1)
    assert LISTING_SECONDS not in scene.slept


async def test_a_function_that_comes_finds_the_files_that_are_there(tmp_path: Path) -> None:
    bench = await Bench().open()
    scene = Scene(bench, tmp_path)
    await scene.service.start()
    await bench.put("a.dcm")
    install(tmp_path, "late")
    file = tmp_path / "late" / "function.yaml"
    file.write_text(file.read_text().replace("uploads", "uploads, existing: process"))
    assert await scene.service._watch() == WATCH_SECONDS
    assert await bench.queued("late") == {"a.dcm"}


async def test_a_loop_outlives_any_fault(tmp_path: Path) -> None:
    bench = await Bench().open()
    scene = Scene(bench, tmp_path)
    faults = [TransientError("away"), RuntimeError("unexpected")]

    async def action() -> float:
        if faults:
            raise faults.pop(0)
        return 7.0

    loop = asyncio.create_task(scene.service._repeat(action, scene.sleep))
    await scene.until(lambda: 7.0 in scene.slept)
    loop.cancel()
    assert scene.slept[:3] == [FAILED_SECONDS, FAILED_SECONDS, 7.0]


async def test_readiness_needs_both_servers(tmp_path: Path) -> None:
    class Away(Lying):
        async def head(self, bucket: str, key: str) -> Any:
            raise TransientError(f"{bucket} is away")

    bench = await Bench().open()
    scene = Scene(bench, tmp_path, storage=Away(bench.storage))
    async with scene.service.background(scene.given_up.set):
        await scene.until(lambda: scene.service._is_proven)
        with pytest.raises(TransientError, match=PLATFORM):
            await scene.service._probe()


# A queue of messages

SQS = {"queueUrl": QUEUE, "deadLetterUrl": f"{QUEUE}-dead", "region": "eu-central-1"}


async def test_a_queue_of_messages_is_read_beside_the_receiver_and_readiness_needs_it(tmp_path: Path) -> None:
    bench = await Bench(sqs=SQS).open()
    install(tmp_path, "one")
    scene = Scene(bench, tmp_path, messages=MemoryMessages(now=bench.now))
    await scene.service.start()
    await bench.put("a.dcm")
    scene.messages.send(event("a.dcm"))
    scene.service._is_proven = True
    with pytest.raises(TransientError, match=f"has not answered yet: {QUEUE}"):
        await scene.service._probe()
    async with scene.service.background(scene.given_up.set):
        await scene.until(lambda: scene.messages.waiting == 0)
        assert await scene.is_ready()
    assert await bench.queued("one") == {"a.dcm"}


async def test_a_document_that_names_no_queue_of_messages_reads_none(tmp_path: Path) -> None:
    bench = await Bench().open()
    scene = Scene(bench, tmp_path)
    async with scene.service.background(scene.given_up.set):
        await scene.until(lambda: scene.service._is_proven)
        assert await scene.is_ready()


# Several receivers


async def test_only_the_leader_lists_and_whoever_becomes_it_lists_at_once(tmp_path: Path) -> None:
    bench = await Bench().open()
    install(tmp_path, "one")
    scene = Scene(bench, tmp_path)
    scene.leads = False
    await scene.service.start()
    await bench.put("a.dcm")
    assert await scene.service._list() == STANDBY_SECONDS
    assert await bench.queued("one") == set()
    scene.leads = True
    assert await scene.service._list() == LISTING_SECONDS
    assert await bench.queued("one") == {"a.dcm"}


async def test_a_standby_is_ready_and_takes_notifications_of_a_function_that_comes(tmp_path: Path) -> None:
    bench = await Bench().open()
    scene = Scene(bench, tmp_path)
    scene.leads = False
    await scene.service.start()
    async with scene.service.background(scene.given_up.set):
        await scene.until(lambda: scene.service._is_proven)
        assert await scene.is_ready()
        install(tmp_path, "late")
        await scene.until(lambda: bool(scene.service._roster.functions))
    assert (await bench.queue.backlog("late")).tasks == 0


async def test_files_of_a_young_function_that_another_receiver_ignored_are_found_soon(tmp_path: Path) -> None:
    bench = await Bench().open()
    install(tmp_path, "one")
    scene = Scene(bench, tmp_path)
    await scene.service.start()
    await scene.service._list()
    await bench.put("a.dcm")  # nobody takes its notification
    scene.leads = False
    assert await scene.service._list_young() == AGAIN_SECONDS
    assert await bench.queued("one") == set()
    scene.leads = True
    assert await scene.service._list_young() == AGAIN_SECONDS
    assert await bench.queued("one") == {"a.dcm"}
    await bench.put("b.dcm")
    bench.time += YOUNG_SECONDS
    await scene.service._list_young()
    assert await bench.queued("one") == {"a.dcm"}, "it is not young any more"


@pytest.mark.parametrize(
    ("note", "told"),
    [
        (LastBackup(snapshot="b", began=NOW, period_seconds=60.0).to_json(), (NOW, 60.0)),
        (b"rubbish", None),
        (None, None),
    ],
    ids=["a backup", "a note that is none", "no backup"],
)
async def test_prometheus_is_told_of_the_last_backup_that_left_a_note(
    tmp_path: Path, note: bytes | None, told: tuple[float, float] | None
) -> None:
    bench = await Bench().open()
    if note is not None:
        await bench.storage.put(bench.settings.platform_bucket, last_backup_key(), note)
    found = {each.family: each.value for each in await Scene(bench, tmp_path).service.figures()}
    assert found[catalogue.SERVER_UP] == 1
    backup = tuple(found[each] for each in (catalogue.BACKED, catalogue.BACKUP_PERIOD) if each in found)
    assert backup == (told or ())
