"""The service's start, its loops and its readiness, on time that passes as the test says."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.events.service import FAILED_SECONDS, START_RETRY_SECONDS, WATCH_SECONDS, Service
from headrace.model.errors import FatalError, TransientError
from tests.unit.intake_bench import PLATFORM, Bench
from tests.unit.test_roster import install

LISTING_SECONDS = 300.0


class Lying:
    """A store in which every writer wins, or which is away at first."""

    def __init__(self, inner: Any, *, everyone_wins: bool = False, away_for: int = 0) -> None:
        self._inner = inner
        self._everyone_wins = everyone_wins
        self._away_for = away_for

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def create(self, bucket: str, key: str, body: bytes) -> bool:
        if self._away_for:
            self._away_for -= 1
            raise TransientError("away")
        won = await self._inner.create(bucket, key, body)
        return won or self._everyone_wins


class Scene:
    """A service whose sleeps are noted, and take no time."""

    def __init__(self, bench: Bench, folder: Path, *, storage: Any = None) -> None:
        self.slept: list[float] = []
        self.given_up = asyncio.Event()
        settings = bench.settings.model_copy(update={"functions_directory": str(folder)})
        self.service = Service(
            settings, storage or bench.storage, bench.queue, clock=bench.now, sleep=self.sleep
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


async def test_the_start_waits_for_a_server_that_is_away(tmp_path: Path) -> None:
    bench = await Bench().open()
    install(tmp_path, "one")
    scene = Scene(bench, tmp_path, storage=Lying(bench.storage, away_for=3))
    await scene.service.start()
    assert scene.slept == [START_RETRY_SECONDS] * 3


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

    loop = asyncio.create_task(scene.service._repeat(action))
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
