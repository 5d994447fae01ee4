"""What the doctor's probes read, on stores, queues and folders in memory or a temporary folder."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from headrace.doctor.asking import Group, ask, skipping
from headrace.doctor.clocks import Reading
from headrace.doctor.finding import Check, Finding
from headrace.doctor.probes import clocks as clock_probe
from headrace.doctor.probes.machine import existing, machine_facts
from headrace.doctor.probes.stack import dead, notifications
from headrace.doctor.probes.store import GRACE_SECONDS, Looking, arrivals, conditional, stale
from headrace.doctor.store import STALE_SECONDS
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.keys import function_key, record_key, staging_key
from headrace.model.task import Task, task_id
from tests.fixtures.world import NOW, PLATFORM, World, installed

LISTING = 30.0
LATER = NOW + 2 * LISTING + GRACE_SECONDS + 1
CHECK = Check("a-check", "group", "Is it?", "do it")


# The store


async def opened() -> World:
    world = await World(installed("echo")).open()
    await world.storage.put(PLATFORM, function_key("echo"), json.dumps({"firstSeen": NOW}).encode())
    return world


def looking(now: float = LATER) -> Looking:
    return Looking(lambda: now, LISTING)


async def test_a_file_without_a_task_is_lost_once_two_listings_have_passed() -> None:
    world = await opened()
    await world.storage.put("uploads", "echo/a.dcm", b"x")
    lost, count, why = await arrivals(world.stack, looking())
    assert ([(each.function, each.key) for each in lost], count, why) == ([("echo", "echo/a.dcm")], 1, "")
    assert await arrivals(world.stack, looking(LATER - 2)) == ([], 0, "")


async def test_a_file_that_waits_or_has_ended_is_not_lost() -> None:
    world = await opened()
    for key in ("echo/waits.dcm", "echo/ended.dcm"):
        await world.storage.put("uploads", key, b"x")
    info = await world.storage.head("uploads", "echo/waits.dcm")
    waits = task_id("echo", "uploads", info.key, info.identity)
    await world.queue.put(
        Task(id=waits, function="echo", bucket="uploads", key=info.key, etag=info.etag, size=1, received=NOW)
    )
    ended = await world.storage.head("uploads", "echo/ended.dcm")
    identifier = task_id("echo", "uploads", ended.key, ended.identity)
    await world.storage.put(PLATFORM, record_key("echo", identifier), b"{}")
    assert await arrivals(world.stack, looking()) == ([], 2, "")


async def test_files_that_no_input_takes_are_not_looked_at() -> None:
    world = await opened()
    for key in ("echo/a.txt", "other/a.dcm", "echo/folder/"):
        await world.storage.put("uploads", key, b"x")
    assert await arrivals(world.stack, looking()) == ([], 0, "")


async def test_what_was_staged_more_than_a_day_ago_is_stale() -> None:
    world = await opened()
    await world.storage.put(PLATFORM, staging_key("echo", "t", "a", "n"), b"x")
    assert await stale(world.stack, NOW + STALE_SECONDS + 1) == {"echo": 1}
    assert await stale(world.stack, NOW + STALE_SECONDS - 1) == {}


async def test_conditional_puts_are_tried_and_nothing_is_left() -> None:
    world = await opened()
    before = [info.key async for info in world.storage.list(PLATFORM)]
    assert await conditional(world.stack) == ""
    assert [info.key async for info in world.storage.list(PLATFORM)] == before


# Clocks


@pytest.mark.parametrize(("coarse", "error"), [(True, 0.5), (False, 0.0)])
async def test_a_reading_is_as_exact_as_its_clock(coarse: bool, error: float) -> None:
    async def ask_clock() -> float:
        return 1000.0

    found = await clock_probe.read(ask_clock, coarse=coarse)
    assert isinstance(found, Reading)
    assert error <= found.error < error + 1
    assert found.offset < 0


async def test_a_clock_that_can_not_be_read_says_why() -> None:
    async def away() -> float:
        raise TransientError("away")

    async def silent() -> None:
        return None

    assert await clock_probe.read(away, coarse=True) == "away"
    assert await clock_probe.read(silent, coarse=True) == "it does not tell its time"


# The machine and the stack's folder


async def test_this_machine_tells_of_itself(tmp_path: Path) -> None:
    found = await machine_facts(tmp_path / "none" / "state")
    assert found.disk_path == str(tmp_path)
    assert (found.folder.exists, found.folder.user, found.folder.writable) == (False, os.geteuid(), True)
    assert found.disk_free > 0
    assert existing(tmp_path / "none" / "state") == tmp_path


def test_processes_that_have_ended_are_dead() -> None:
    assert dead({"this": os.getpid(), "none": 2**22 + 1}) == ["none"]


def test_how_the_store_reports_is_read_from_its_own_configuration(tmp_path: Path) -> None:
    path = tmp_path / "notification.toml"
    assert notifications(path, "t") is None
    path.write_text(
        '[notification.webhook]\nenabled = true\nendpoint = "http://127.0.0.1:1/events"\n'
        'bearer_token = "t"\nworkers = 16\npath_prefixes = ["/buckets/uploads/", "/buckets/more/"]\n'
    )
    found = notifications(path, "t")
    assert found is not None
    assert (found.endpoint, found.token_is_right) == ("http://127.0.0.1:1/events", True)
    assert found.buckets == {"uploads", "more"}
    assert notifications(path, "other") is not None
    assert not notifications(path, "other").token_is_right  # type: ignore[union-attr]  # it is there


# Asking


def group(name: str, answer: Any, seconds: float = 60.0) -> Group:
    return Group(name, (CHECK,), answer, seconds)


async def test_groups_answer_in_their_order_and_one_that_fails_takes_nothing_from_the_others() -> None:
    async def fine() -> list[Finding]:
        await asyncio.sleep(0)
        return [CHECK.ok("fine")]

    async def refused() -> list[Finding]:
        raise ConfigurationError("refused")

    async def broken() -> list[Finding]:
        raise KeyError("broken")

    async def endless() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    told: list[str] = []
    groups = [
        group("fine", fine),
        group("refused", refused),
        group("broken", broken),
        group("endless", endless, seconds=0.01),
        skipping("none", (CHECK,), "no cluster"),
    ]
    found = await ask(groups, lambda each, _: told.append(each.name))
    assert [(f.severity, f.found) for f in found] == [
        ("ok", "fine"),
        ("skipped", "refused"),
        ("skipped", "it could not be looked at: KeyError('broken')"),
        ("skipped", "no answer within 0.01 s"),
        ("skipped", "no cluster"),
    ]
    assert sorted(told) == ["broken", "endless", "fine", "none", "refused"]
