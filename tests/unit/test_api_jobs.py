"""/system/logs/{service}: a service's tasks as jobs, page by page, their logs, and deleting them."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from headrace.api import jobs as module
from headrace.model.task import Task
from tests.unit.api_bench import Bench, basic

LOGS = "/system/logs/cowsay"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def tasks(bench: Bench) -> list[Task]:
    return list(await bench.queue.tasks("cowsay", 1000))


async def sent(client: httpx2.AsyncClient, number: int) -> list[str]:
    """So many files, each a task."""
    return [
        (await client.post("/job/cowsay", content=f"!{each}".encode())).json()["tasks"][0]
        for each in range(number)
    ]


async def pages(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Every page, as clients ask for them."""
    found, page = [], ""
    while True:
        found.append((await client.get(LOGS, params={"page": page})).json())
        page = found[-1].get("next_page", "")
        if not page:
            return found


async def test_jobs_tell_how_their_tasks_stand(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        done, failed, running, waiting = await sent(client, 4)
        (first, second, *_) = await tasks(bench)
        await bench.done(first)
        await bench.failed(second)
        await bench.queue.pull("cowsay", 1, wait_seconds=0)
        listed = (await client.get(LOGS)).json()
    found = {name.removeprefix("cowsay-"): job for name, job in listed["jobs"].items()}
    assert {task: job["status"] for task, job in found.items()} == {
        done: "Succeeded", failed: "Failed", running: "Running", waiting: "Pending",
    }  # fmt: skip
    assert found[done] == {
        "status": "Succeeded",
        "creation_time": "2023-11-14T22:13:20Z",
        "start_time": "2023-11-14T22:13:21Z",
        "finish_time": "2023-11-14T22:13:22Z",
    }
    assert "start_time" not in found[waiting]
    assert "next_page" not in listed


@pytest.mark.parametrize("queued", [0, 3, 4, 5, 8])
@pytest.mark.parametrize("ended", [0, 1, 4, 9])
async def test_pages_hold_every_job_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, queued: int, ended: int
) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    async with bench.client() as client:
        await bench.cowsay(client)
        wanted = await sent(client, queued + ended)
        for task in (await tasks(bench))[queued:]:
            bench.world.time += 0.7
            await bench.done(task)
        found = await pages(client)
    names = [name for page in found for name in page["jobs"]]
    assert sorted(names) == sorted(f"cowsay-{each}" for each in wanted)
    assert [len(page["jobs"]) for page in found[:-1]] == [4] * (len(found) - 1)
    left = [page.get("remaining_jobs", 0) for page in found]
    assert left == [max(0, len(wanted) - 4 * number) for number in range(1, len(found) + 1)]


@pytest.mark.parametrize(
    "page", ["x", "queued.", "queued.-1", "ended.1", "ended.x.y", "ended.nan." + "0" * 32]
)
async def test_a_page_that_is_none_is_refused(bench: Bench, page: str) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.get(LOGS, params={"page": page})
    assert answer.status_code == 400


async def test_a_log_is_found_by_the_job_s_name_and_by_the_task(bench: Bench) -> None:
    bench.log = "Hello\n"
    async with bench.client() as client:
        await bench.cowsay(client)
        (task,) = await sent(client, 1)
        early = await client.get(f"{LOGS}/cowsay-{task}")
        await bench.done((await tasks(bench))[0])
        answers = [await client.get(f"{LOGS}/{name}") for name in (f"cowsay-{task}", task)]
        absent = await client.get(f"{LOGS}/cowsay-{'0' * 32}")
        none = await client.get(f"{LOGS}/none")
    assert [each.text for each in answers] == ["Hello\n"] * 2
    assert [each.status_code for each in (early, absent, none)] == [404] * 3
    assert "it has not ended yet" in early.json()["reason"]


async def test_a_deleted_job_is_listed_no_more_and_its_record_stays(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        done, waiting = await sent(client, 2)
        await bench.done((await tasks(bench))[0])
        answers = [await client.delete(f"{LOGS}/cowsay-{each}") for each in (done, waiting)]
        absent = await client.delete(f"{LOGS}/cowsay-{'0' * 32}")
        listed = (await client.get(LOGS)).json()
        log = await client.get(f"{LOGS}/cowsay-{done}")
        states = [(await client.get(f"/system/tasks/cowsay/{each}")).json() for each in (done, waiting)]
    assert [each.status_code for each in answers] == [204, 204]
    assert (absent.status_code, listed["jobs"], log.status_code) == (404, {}, 404)
    assert [each["stage"] for each in states] == ["done", "purged"]


@pytest.mark.parametrize(("query", "left"), [("", 2), ("?all=false", 2), ("?all=true", 0)])
async def test_all_jobs_are_deleted_or_those_that_are_done(bench: Bench, query: str, left: int) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        await sent(client, 3)
        first, second, _ = await tasks(bench)
        await bench.done(first)
        await bench.failed(second)
        answer = await client.delete(LOGS + query)
        listed = (await client.get(LOGS)).json()
    assert (answer.status_code, len(listed["jobs"])) == (204, left)


async def test_a_task_s_state_tells_its_file_and_its_outputs(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        (task,) = await sent(client, 1)
        early = (await client.get(f"/system/tasks/cowsay/{task}")).json()
        await bench.done((await tasks(bench))[0])
        late = (await client.get(f"/system/tasks/cowsay/{task}")).json()
        absent = await client.get(f"/system/tasks/cowsay/{'0' * 32}")
    assert (early["stage"], early["settled"], early["ahead"]) == ("queued", False, 0)
    assert (late["stage"], late["settled"], late["bucket"]) == ("done", True, "cowsay")
    assert late["outputs"] == [
        {
            "name": "out.txt",
            "bucket": "results",
            "key": f"out/{task}/out.txt",
            "size": 3,
            "state": "published",
        }
    ]
    assert absent.status_code == 404


async def test_a_tenant_reads_no_other_s_jobs(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
    async with bench.client(**basic("bob", "bob-secret")) as client:
        answers = [
            await client.get(LOGS),
            await client.delete(LOGS),
            await client.get(f"{LOGS}/{'0' * 32}"),
            await client.get(f"/system/tasks/cowsay/{'0' * 32}"),
        ]
    assert [each.status_code for each in answers] == [404] * 4
