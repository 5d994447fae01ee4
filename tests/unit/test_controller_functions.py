"""What the controller makes for a function, what it tells of it, and how it lets it go."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from headrace.controller.functions import IDLE_SECONDS
from headrace.controller.waking import Whose
from headrace.kube.kinds import (
    BUCKETS,
    CONFIG_MAPS,
    FUNCTIONS,
    NETWORK_POLICIES,
    PODS,
    SERVICE_ACCOUNTS,
)
from headrace.manifests.worker_pod import function_map_name
from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError, RejectedError
from headrace.model.keys import failure_key, record_key
from headrace.model.labels import FINALIZER
from headrace.model.record import Ending, FailureRecord
from headrace.queue.memory import MemoryQueue
from headrace.queue.port import Backlog
from tests.unit.controller_bench import (
    PLATFORM_BUCKET,
    SPACE,
    Bench,
    a_function,
    a_task,
    readiness,
    running,
)


async def deployed(bench: Bench, **spec: object) -> str:
    """A function that is ready; its digest."""
    await bench.storage.ensure_bucket(PLATFORM_BUCKET)
    await bench.kube.create(FUNCTIONS, a_function(**spec))
    await bench.settle(3)
    status = await bench.status()
    assert readiness(status)[0] == "True", status
    return status["digest"]


class RefusingQueue(MemoryQueue):
    """A queue that refuses its user."""

    fault: HeadraceError | None = None

    async def backlog(self, function: str) -> Backlog:
        if self.fault:
            raise self.fault
        return await super().backlog(function)

    async def ensure(self, function: str, *, lease_seconds: float, max_leased: int) -> None:
        if self.fault:
            raise self.fault
        await super().ensure(function, lease_seconds=lease_seconds, max_leased=max_leased)


@asynccontextmanager
async def refusing() -> AsyncIterator[tuple[Bench, RefusingQueue]]:
    """A bench with such a queue, which begins by taking all."""
    bench = Bench()
    bench.queue = queue = RefusingQueue(bench.clock.now, bench.clock.sleep)
    bench.service = bench.controller()
    async with bench.service.seen:
        await bench.settle()
        yield bench, queue


async def stream_is_there(bench: Bench) -> bool:
    try:
        await bench.queue.backlog("echo")
    except NotFoundError:
        return False
    return True


# What it needs


async def test_a_function_alone_gets_all_that_it_needs_and_is_ready():
    async with running() as bench:
        digest = await deployed(bench)
        found = await bench.get(FUNCTIONS, "echo")
        made = await bench.get(CONFIG_MAPS, function_map_name("echo", digest))
        account = await bench.get(SERVICE_ACCOUNTS, "headrace-echo")
        policy = await bench.get(NETWORK_POLICIES, "headrace-echo")
        assert json.loads(made["data"]["function.yaml"])["spec"]["image"] == "localhost/echo:1"
        assert account["automountServiceAccountToken"] is False
        assert policy["spec"]["podSelector"]["matchLabels"] == {"headrace.dev/function": "echo"}
        assert {each["metadata"]["ownerReferences"][0]["uid"] for each in (made, account, policy)} == {
            found["metadata"]["uid"]
        }
        assert found["metadata"]["finalizers"] == [FINALIZER]
        assert await stream_is_there(bench)
        assert (await bench.get(BUCKETS, "reports"))["spec"] == {"name": "clinic-reports"}
        assert [each async for each in bench.storage.list("clinic-reports")] == []  # the store has it


async def test_what_is_as_wanted_is_written_no_more():
    async with running() as bench:
        await deployed(bench)
        await bench.settle(20)
        before = dict(bench.kube.requests)
        await bench.settle(60)
        assert {key for key in bench.kube.requests if bench.kube.requests[key] != before.get(key, 0)} == set()


@pytest.mark.parametrize("kind", [NETWORK_POLICIES, SERVICE_ACCOUNTS], ids=lambda kind: kind.name)
async def test_a_part_that_somebody_removed_comes_back(kind):
    async with running() as bench:
        await deployed(bench)
        await bench.kube.delete(kind, "headrace-echo", namespace=SPACE)
        await bench.settle(1)
        assert await bench.get(kind, "headrace-echo")


async def test_a_part_that_somebody_changed_is_put_right():
    async with running() as bench:
        await deployed(bench)
        await bench.kube.patch(NETWORK_POLICIES, "headrace-echo", {"spec": {"egress": [{}]}}, namespace=SPACE)
        await bench.settle(1)
        assert len((await bench.get(NETWORK_POLICIES, "headrace-echo"))["spec"]["egress"]) == 3


async def test_a_lost_stream_is_made_again():
    async with running() as bench:
        await deployed(bench)
        await bench.queue.drop("echo")
        await bench.settle(2 * IDLE_SECONDS)
        assert await stream_is_there(bench)


async def test_the_bound_on_leased_tasks_grows_with_the_workers():
    async with running() as bench:
        await deployed(bench, scale={"maxWorkers": 100}, batch={"maxFiles": 8})
        assert bench.queue._streams["echo"].max_leased == 4 * 100 * 8


async def test_a_new_spec_gets_a_new_text_and_the_old_one_stays_while_a_worker_reads_it():
    async with running() as bench:
        old = await deployed(bench)
        pod = await bench.start_pod(old)
        await bench.kube.patch(FUNCTIONS, "echo", {"spec": {"image": "localhost/echo:2"}}, namespace=SPACE)
        await bench.settle(3)
        status = await bench.status()
        assert (status["observedGeneration"], status["digest"] != old) == (2, True)
        assert await bench.get(CONFIG_MAPS, function_map_name("echo", status["digest"]))
        assert await bench.get(CONFIG_MAPS, function_map_name("echo", old))
        await bench.end_pod(pod)
        await bench.settle(3)
        assert await bench.get(CONFIG_MAPS, function_map_name("echo", old)) is None


async def test_parts_of_a_former_function_of_the_same_name_are_replaced():
    async with running() as bench:
        digest = await deployed(bench)
        name = function_map_name("echo", digest)
        uid = (await bench.get(CONFIG_MAPS, name))["metadata"]["uid"]
        await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
        await bench.settle(3)
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(3)
        assert (await bench.get(CONFIG_MAPS, name))["metadata"]["uid"] != uid
        assert (await bench.ready())[0] == "True"


# What can't work


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"image": None}, "spec.image"),
        ({"run": {"handler": "no handler"}}, "spec.run.handler"),
        ({"run": {"http": {"port": 0}}}, "spec.run.http.port"),
        ({"input": []}, "spec.input"),
    ],
)
async def test_an_unworkable_function_says_why_and_has_no_digest(spec, told):
    async with running() as bench:
        await bench.kube.create(FUNCTIONS, a_function(**spec))
        await bench.settle(3)
        ready, reason, message = await bench.ready()
        assert (ready, reason) == ("False", "Invalid")
        assert told in message
        assert (await bench.status())["digest"] == ""


async def test_every_fault_is_told_at_once():
    async with running() as bench:
        await bench.kube.create(FUNCTIONS, a_function(priority="high", scale={"minWorkers": -1}))
        await bench.settle(3)
        message = (await bench.ready())[2]
        assert "spec.priority" in message
        assert "spec.scale.minWorkers" in message


async def test_a_refusal_of_the_server_is_told():
    async with running() as bench:
        bench.kube.admit = lambda verb, kind, before, after: (
            "quota exceeded" if kind == CONFIG_MAPS and verb == "create" else None
        )
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(3)
        ready, reason, message = await bench.ready()
        assert (ready, reason) == ("False", "Refused")
        assert "quota exceeded" in message


async def test_one_unworkable_function_holds_up_no_other():
    async with running() as bench:
        await bench.kube.create(FUNCTIONS, a_function("bad", image=None))
        await deployed(bench)


# How it stands


async def test_files_and_workers_are_told():
    async with running() as bench:
        digest = await deployed(bench)
        for number in range(3):
            await bench.queue.put(a_task(number, received=bench.clock.now() - 90))
        await bench.start_pod(digest)
        assert len(await bench.queue.pull("echo", 1, wait_seconds=0)) == 1
        await bench.settle(8)
        status = await bench.status()
        told = {name: status[name] for name in ("waiting", "running", "workers", "oldestWaitSeconds")}
        assert told == {"waiting": 2, "running": 1, "workers": 1, "oldestWaitSeconds": 95}


async def test_without_workers_nothing_runs():
    async with running() as bench:
        await deployed(bench)
        await bench.queue.put(a_task(1))
        await bench.queue.pull("echo", 1, wait_seconds=0)
        await bench.settle(6)
        status = await bench.status()
        assert (status["waiting"], status["running"]) == (1, 0)


async def test_figures_are_written_every_two_seconds_at_most():
    async with running() as bench:
        await deployed(bench)
        await bench.settle(10)
        before = bench.kube.requests["apply_status", "functions"]
        for number in range(40):
            await bench.queue.put(a_task(number, received=bench.clock.now()))
            bench.service.turns.add(Whose(FUNCTIONS, SPACE, "echo"))  # as events of its pods do
            await bench.settle(0.5)
        written = bench.kube.requests["apply_status", "functions"] - before
        assert 5 <= written <= 11


async def test_workers_that_fail_are_told_by_what_kubernetes_says():
    async with running() as bench:
        digest = await deployed(bench)
        name = await bench.start_pod(digest)
        pod = await bench.kube.get(PODS, name, namespace=SPACE)
        waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
        status = {"containerStatuses": [{"name": "function", "state": {"waiting": waiting}}]}
        await bench.kube.apply_status(
            PODS, {"metadata": pod["metadata"], "status": status}, manager="kubelet"
        )
        await bench.settle(3)
        failing, reason, message = readiness(await bench.status(), "WorkersFailing")
        assert (failing, reason) == ("True", "ImagePullBackOff")
        assert "1 of 1 workers" in message
        assert "no such image" in message
        await bench.end_pod(name)
        await bench.settle(3)
        assert readiness(await bench.status(), "WorkersFailing")[0] == "False"


async def test_done_and_failed_are_counted_from_the_records():
    async with running() as bench:
        await deployed(bench)
        states = [Ending.FAILED, Ending.FAILED, Ending.PURGED]
        for number, state in enumerate(states):
            task = a_task(number)
            record = FailureRecord(
                state=state, task=task, reason="r", attempts=1, function_digest="d", worker="w", ended=1.0
            )
            await bench.storage.put(PLATFORM_BUCKET, failure_key("echo", task.id), record.index())
            await bench.storage.put(PLATFORM_BUCKET, record_key("echo", task.id), record.to_json())
        for number in range(10, 15):
            await bench.storage.put(PLATFORM_BUCKET, record_key("echo", a_task(number).id), b"{}")
        assert await bench.service.count() > 0
        await bench.settle(3)
        status = await bench.status()
        assert (status["done"], status["failed"]) == (5, 2)


async def test_a_condition_bears_the_time_at_which_it_came_to_hold():
    async with running() as bench:
        await deployed(bench)
        before = (await bench.status())["conditions"][0]["lastTransitionTime"]
        await bench.queue.put(a_task(1))
        await bench.settle(30)
        assert (await bench.status())["conditions"][0]["lastTransitionTime"] == before


# Its end


async def test_waiting_files_are_kept():
    async with running() as bench:
        await deployed(bench, onDelete="keep")
        await bench.queue.put(a_task(1))
        await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
        await bench.settle(3)
        assert await bench.get(FUNCTIONS, "echo") is None
        assert (await bench.queue.backlog("echo")).tasks == 1
        assert await bench.get(NETWORK_POLICIES, "headrace-echo") is None


async def test_waiting_files_are_purged():
    async with running() as bench:
        await deployed(bench, onDelete="purge")
        await bench.queue.put(a_task(1))
        await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
        await bench.settle(3)
        assert await bench.get(FUNCTIONS, "echo") is None
        assert not await stream_is_there(bench)


async def test_a_deletion_waits_for_the_files_and_the_workers_go_on():
    async with running() as bench:
        digest = await deployed(bench, onDelete="refuse")
        await bench.queue.put(a_task(1))
        pod = await bench.start_pod(digest)
        await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
        await bench.settle(10)
        assert (await bench.ready())[:2] == ("False", "HoldsFiles")
        assert (await bench.status())["digest"] == digest
        assert "deletionTimestamp" not in (await bench.get(PODS, pod))["metadata"]
        (lease,) = await bench.queue.pull("echo", 1, wait_seconds=0)
        await lease.done()
        await bench.settle(3)
        await bench.end_pod(pod)
        await bench.settle(3)
        assert await bench.get(FUNCTIONS, "echo") is None


async def test_a_waiting_deletion_goes_on_once_the_policy_is_another():
    async with running() as bench:
        await deployed(bench, onDelete="refuse")
        await bench.queue.put(a_task(1))
        await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
        await bench.settle(3)
        await bench.kube.patch(FUNCTIONS, "echo", {"spec": {"onDelete": "purge"}}, namespace=SPACE)
        await bench.settle(3)
        assert await bench.get(FUNCTIONS, "echo") is None


async def test_workers_end_before_the_stream_goes():
    async with running() as bench:
        pod = await bench.start_pod(await deployed(bench, onDelete="purge"))
        await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
        await bench.settle(5)
        assert "deletionTimestamp" in (await bench.get(PODS, pod))["metadata"]
        assert await stream_is_there(bench)
        assert (await bench.ready())[:2] == ("False", "Ending")
        await bench.end_pod(pod)
        await bench.settle(3)
        assert await bench.get(FUNCTIONS, "echo") is None
        assert not await stream_is_there(bench)


async def test_an_invalid_function_can_be_deleted():
    async with running() as bench:
        await bench.kube.create(FUNCTIONS, a_function(image=None, onDelete="whatever"))
        await bench.settle(3)
        await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
        await bench.settle(3)
        assert await bench.get(FUNCTIONS, "echo") is None


# A queue that refuses its user


REFUSALS = [ConfigurationError("the queue refuses user lab"), RejectedError("the queue refuses user lab")]


@pytest.mark.parametrize("fault", REFUSALS)
async def test_what_the_queue_refuses_is_told(fault: HeadraceError):
    async with refusing() as (bench, queue):
        queue.fault = fault
        await bench.storage.ensure_bucket(PLATFORM_BUCKET)
        await bench.kube.create(FUNCTIONS, a_function())
        await bench.settle(5)
        assert await bench.ready() == ("False", "Refused", "the queue refuses user lab")
        queue.fault = None
        await bench.settle(30)
        assert (await bench.ready())[0] == "True"


async def test_a_function_that_was_ready_tells_that_the_queue_refuses_now_and_keeps_its_workers():
    async with refusing() as (bench, queue):
        digest = await deployed(bench)
        await bench.queue.put(a_task(1))
        await bench.settle(10)
        queue.fault = REFUSALS[0]
        await bench.settle(10)
        status = await bench.status()
        assert readiness(status) == ("False", "Refused", "the queue refuses user lab")
        assert (status["digest"], status["waiting"]) == (digest, 1), "as it was told before"


@pytest.mark.parametrize("policy", ["refuse", "purge"])
async def test_no_stream_goes_that_could_not_be_looked_at(policy: str):
    async with refusing() as (bench, queue):
        await deployed(bench, onDelete=policy)
        queue.fault = REFUSALS[0]
        await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
        await bench.settle(10)
        status, reason, message = await bench.ready()
        assert (status, reason) == ("False", "Refused")
        assert message.startswith("its deletion waits: the queue refuses user lab; ")
        queue.fault = None
        assert await stream_is_there(bench)
        await bench.settle(15)
        assert await bench.get(FUNCTIONS, "echo") is None


async def test_a_function_whose_stream_stays_goes_without_a_look_at_it():
    async with refusing() as (bench, queue):
        await deployed(bench, onDelete="keep")
        queue.fault = REFUSALS[0]
        await bench.kube.delete(FUNCTIONS, "echo", namespace=SPACE)
        await bench.settle(10)
        assert await bench.get(FUNCTIONS, "echo") is None
        queue.fault = None
        assert await stream_is_there(bench)
