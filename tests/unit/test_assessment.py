"""What a comparison of ways makes, measures and tells: tables of values, and runs on a played cluster."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.assessment import prices
from headrace.assessment.candidates import CPU, candidates
from headrace.assessment.measures import Spread, batches_of, held_seconds, measured, price_a_thousand
from headrace.assessment.plan import Plan, bucket_of, copy_of, planned
from headrace.assessment.prices import UnpricedError
from headrace.assessment.result import access_order
from headrace.assessment.running import Assessor, Ground, Patience
from headrace.catalog.deployed import bucket_of as deployed_bucket
from headrace.catalog.deployed import function_of
from headrace.kube.kinds import BUCKETS, FUNCTIONS, GPU_SERVERS, NODE_POOLS, NODES, PODS, RESOURCE_CLAIMS
from headrace.kube.memory import MemoryKube
from headrace.kube.naming import labels_of
from headrace.kube.port import Selection
from headrace.model.cycles import find_cycles
from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.function import Access, Function, Gpu
from headrace.model.gpu_server import Backend
from headrace.model.keys import log_key, note_key, record_key
from headrace.model.labels import FUNCTION, POOL
from headrace.model.record import Ending, FailureRecord, Record, Times
from headrace.model.task import Task, task_id
from headrace.placement.inventory import inventory_of
from headrace.placement.ways import GpuClaim
from headrace.storage.memory import MemoryStorage
from tests.unit.test_gpu_ways import CPU as CPU_POOL
from tests.unit.test_gpu_ways import MIXED, SLICES, WHOLE, gpus, head, pool, server, wish

GIB = 2**30
NAMESPACE = "headrace-functions"
MIG = gpus("mixed", MIXED)
SERVER = server("gpu1", pool="boxes")
BOXES = pool("boxes", provides="gpuServers", pricePerHour=4.0)
INVENTORY = inventory_of([CPU_POOL, WHOLE, MIG, SLICES], [SERVER])
FOUND = (Path("a.dcm"), "a.dcm")


def deployed(gpu: Gpu, **spec: Any) -> Function:
    """As it is on a cluster: with an image, and its script's text."""
    usual = {"run": {"script": "s.sh", "source": "true"}, "image": "echo:1", "input": [{"bucket": "uploads"}]}
    wished = {"gpu": json.loads(gpu.to_json())}
    return function_of({**head("Function", "echo"), "spec": {**usual, **wished, **spec}})


def plan(*ways: str, files: int = 2, workers: int = 1, of: Function | None = None) -> Plan:
    chosen = of or deployed(wish("passthrough", memory="4Gi"))
    found = candidates(chosen.spec.gpu or wish(), INVENTORY, ways or ("remote",))
    names = [(Path(__file__), f"{number}.dcm") for number in range(files)]
    return planned(chosen, found, names, identity="1a2b3c4d", namespace=NAMESPACE, repeat=1, workers=workers)


# The ways


def test_every_way_of_the_cluster_is_a_candidate_whatever_the_function_likes_best() -> None:
    found = candidates(wish("remote", memory="4Gi"), INVENTORY, ["cpu", *Access])
    assert [(each.name, each.way.reason) for each in found] == [
        ("cpu", ""),
        ("passthrough", ""),
        ("timeslice", ""),
        ("mps", "no pool has it"),
        ("mig-1g-5gb", ""),
        ("mig-2g-10gb", ""),
        ("mig-3g-20gb", ""),
        ("remote", ""),
    ]
    assert [each.wish.profile for each in found if each.wish] == [
        *[None] * 3, "1g.5gb", "2g.10gb", "3g.20gb", None,
    ]  # fmt: skip
    assert {each.wish.memory for each in found if each.wish} == {"4Gi"}


def test_a_profile_that_the_function_names_is_the_only_one() -> None:
    found = candidates(wish("mig", profile="2g.10gb"), INVENTORY, ["mig", "remote", "mig"])
    assert [each.name for each in found] == ["mig-2g-10gb", "remote"]
    assert found[1].wish is not None
    assert found[1].wish.profile is None


def test_a_way_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="--way: found 'gpu', allowed cpu, passthrough"):
        candidates(wish(), INVENTORY, ["gpu"])


# What is made


@pytest.mark.parametrize("way", ["cpu", "passthrough", "mig", "remote"])
def test_a_copy_is_a_sound_function_with_places_of_its_own(way: str) -> None:
    outputs = ({"bucket": "results", "prefix": "x/", "suffix": [".json"]}, {"bucket": "others"})
    original = deployed(wish("mig", "remote", memory="4Gi"), output=list(outputs))
    made = plan(way, of=original)
    candidate = made.taken[0]
    copy = function_of(copy_of(made, candidate))
    assert copy.spec.gpu == candidate.wish
    assert deployed_bucket(bucket_of(made)).name == made.bucket
    assert {each.bucket for each in (*copy.spec.input, *copy.spec.output)} == {made.bucket}
    assert [each.suffix for each in copy.spec.output] == [(".json",), ()]
    assert not tuple(find_cycles([copy, original]))
    assert all(copy.inputs_for(made.bucket, made.key_of(candidate, file)) for file in made.files)
    assert (copy.spec.scale.min_workers, copy.spec.scale.max_workers) == (1, 1)
    assert (copy.spec.image, copy.spec.run) == (original.spec.image, original.spec.run)


def test_a_file_is_worked_as_often_as_asked_under_names_of_its_own() -> None:
    chosen = candidates(wish(), INVENTORY, ["remote"])
    made = planned(deployed(wish()), chosen, [FOUND], identity="x", namespace="n", repeat=3, workers=1)
    assert [file.name for file in made.files] == ["1/a.dcm", "2/a.dcm", "3/a.dcm"]


def test_a_file_that_the_function_does_not_take_is_refused() -> None:
    found = deployed(wish(), input=[{"bucket": "uploads", "suffix": [".avi", ".mp4"]}])
    with pytest.raises(ConfigurationError, match=r"does not take a\.dcm: .* allowed \.avi, \.mp4"):
        planned(
            found,
            candidates(wish(), INVENTORY, ["remote"]),
            [FOUND],
            identity="x",
            namespace="n",
            repeat=1,
            workers=1,
        )


def test_a_cluster_without_any_of_the_ways_is_told() -> None:
    with pytest.raises(ConfigurationError, match="no way to compare: mps: no pool has it"):
        plan("mps")


# What is measured


def record(
    worker: str, started: float, finished: float, name: str = "f", load: float | None = None
) -> Record:
    key = f"{worker}-{started}-{name}"
    task = Task(
        id=task_id("f", "b", key, "e"), function="f", bucket="b", key=key, etag="e", size=1, received=0.0
    )
    times = Times(
        received=0.0,
        pulled=started,
        staged=started,
        started=started,
        finished=finished,
        committed=finished + 0.5,
    )
    return Record(
        task=task, attempt="a", attempt_number=1, outputs=(), function_digest="d", worker=worker, times=times,
        load_seconds=load, gpu="remote 10.0.0.1:9393",
    )  # fmt: skip


BATCHED = [
    record("w1", 10.0, 30.0, load=9.0),  # the first waits for the model
    record("w1", 30.0, 34.0, "a", load=9.0),
    record("w1", 30.1, 34.0, "b", load=9.0),
    record("w1", 34.5, 35.5, load=9.0),
]


def test_files_of_a_batch_share_its_seconds_and_the_first_batch_is_left_out() -> None:
    assert [each.files for each in batches_of(BATCHED)["w1"]] == [1, 2, 1]
    found = measured(BATCHED)
    assert found.seconds_a_file == Spread(2.0, 1.0, 2.0)
    assert (found.with_load, found.load_seconds, found.files) == (False, 9.0, 4)
    assert found.files_a_second == pytest.approx(3 / 6.0)  # from 30 to 36


def test_rates_of_workers_add_up() -> None:
    other = [record("w2", 10.0, 20.0), record("w2", 20.0, 22.5)]
    assert measured([*BATCHED, *other]).files_a_second == pytest.approx(3 / 6.0 + 1 / 3.0)


def test_of_one_batch_a_worker_the_load_can_not_be_left_out_and_that_is_told() -> None:
    found = measured([record("w1", 0.0, 4.0), record("w2", 0.0, 8.0)])
    assert (found.with_load, found.seconds_a_file) == (True, Spread(6.0, 4.0, 8.0))
    assert found.files_a_second == pytest.approx(1 / 4.5 + 1 / 8.5)


def test_gpu_seconds_that_are_held_count_each_batch_and_each_gpu_once() -> None:
    assert held_seconds(BATCHED, 2) == 2 * (20.0 + 4.0 + 1.0)


def test_a_thousand_files_cost_the_time_that_they_take() -> None:
    assert price_a_thousand(3.6, 2.0) == pytest.approx(0.5)


def test_a_pod_costs_its_share_of_a_node_that_is_full_of_such() -> None:
    pools, nodes = {"cpu": pool("cpu", pricePerHour=8.0)}, {"n1": {"metadata": {"labels": {POOL: "cpu"}}}}
    told = {"nodeName": "n1", "containers": [{"resources": {"requests": {"cpu": "3", "memory": "1Gi"}}}]}
    assert prices.of_pod({"spec": told}, nodes, pools) == 4.0  # two fit on 8 cores
    with pytest.raises(UnpricedError, match="node n2 belongs to no pool"):
        prices.of_pod({"spec": {**told, "nodeName": "n2"}}, nodes, pools)


@pytest.mark.parametrize(
    ("count", "memory", "price"), [(1, 4 * GIB, 0.5), (2, 4 * GIB, 1.0), (1, None, 2.0), (2, None, 4.0)]
)
def test_a_claim_costs_its_share_of_its_servers_memory(count: int, memory: int | None, price: float) -> None:
    claim = replace(_claim(), count=count, memory_bytes=memory)
    assert prices.of_claim(claim, [SERVER], {"boxes": BOXES}) == price  # two GPUs of 16 GiB, 4.0 an hour


def _claim() -> GpuClaim:
    found = plan("remote").taken[0].way.claim
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("servers", "why"), [([server("gpu2")], "GPU server gpu2 names no pool"), ([], "not known which")]
)
def test_a_claim_without_a_price_is_told(servers: list[Any], why: str) -> None:
    with pytest.raises(UnpricedError, match=why):
        prices.of_claim(_claim(), servers, {"boxes": BOXES})


def test_an_order_of_ways_is_told_as_a_function_writes_it() -> None:
    names = ("mig-1g-5gb", "cpu", "remote", "mig-2g-10gb", "passthrough")
    assert access_order(names) == ("mig", "remote", "passthrough")


# A run: the controller, the scheduler, workers and a GPU server are played while the run sleeps


class Played:
    """One cluster. `seconds` a file by way; `refuses`: ways without workers; `fails`: keys that fail."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.kube = MemoryKube(now=lambda: self.time)
        self.storage = MemoryStorage(now=lambda: self.time)
        self.seconds = {"remote": 2.0, CPU: 8.0}
        self.refuses: set[str] = set()
        self.fails: set[str] = set()
        self.hangs: set[str] = set()
        self.is_silent = False
        self.at: dict[float, Callable[[], None]] = {}
        self.told: list[str] = []

    async def open(self) -> "Played":
        await self.storage.ensure_bucket("platform")
        labels = {"labels": {POOL: "cpu"}, "name": "n1"}
        await self.kube.create(NODES, {"metadata": labels})
        for kind, each in ((NODE_POOLS, CPU_POOL), (NODE_POOLS, BOXES), (GPU_SERVERS, SERVER)):
            await self.kube.create(kind, json.loads(each.to_json()))
        return self

    async def sessions(self, _address: str, _port: int, *, seconds: float) -> dict[str, float] | None:
        assert seconds > 0
        claims = (await self.kube.list(RESOURCE_CLAIMS)).items
        if self.is_silent:
            raise TransientError("no answer")
        return {f"{claims[0]['metadata']['uid']}.0": 1.5, "foreign.0": 100.0}

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        for moment in [each for each in self.at if each <= self.time]:
            self.at.pop(moment)()
        await asyncio.sleep(0)
        if not self.kube.unreachable:
            await self._turn()

    async def _turn(self) -> None:
        ready = {"type": "Ready", "status": "True", "reason": "r", "message": "", "lastTransitionTime": "t"}
        for found in (await self.kube.list(BUCKETS)).items:
            if self.is_making_buckets:
                await self.storage.ensure_bucket(found["metadata"]["name"])
                await self.kube.apply_status(
                    BUCKETS, {**_named(found), "status": {"conditions": [ready]}}, manager="c"
                )
        for found in (await self.kube.list(FUNCTIONS)).items:
            await self._play(function_of(found))

    is_making_buckets = True

    async def _play(self, copy: Function) -> None:
        way = copy.name.removeprefix("assess-1a2b3c4d-")
        if way in self.refuses:
            told = {"type": "Ready", "status": "False", "reason": "r", "lastTransitionTime": "t"}
            status = {"conditions": [{**told, "message": "no room for it"}]}
            metadata = {"name": copy.name, "namespace": NAMESPACE}
            await self.kube.apply_status(FUNCTIONS, {"metadata": metadata, "status": status}, manager="c")
            return
        await self._start(copy)
        for source in copy.spec.input:
            objects = [each async for each in self.storage.list(source.bucket, source.prefix)]
            for number, each in enumerate(objects):
                await self._work(copy.name, way, number, each.key, each.identity)

    async def _start(self, copy: Function) -> None:
        name = f"{copy.name}-0"
        if (await self.kube.list(PODS, Selection(NAMESPACE, {FUNCTION: copy.name}))).items:
            return
        container = {"name": "main", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {FUNCTION: copy.name}}
        spec = {"nodeName": "n1", "containers": [container]}
        owners = [
            {"uid": (await self.kube.get(FUNCTIONS, copy.name, namespace=NAMESPACE))["metadata"]["uid"]}
        ]
        await self.kube.create(PODS, {"metadata": {**metadata, "ownerReferences": owners}, "spec": spec})
        metadata = {"name": name, "namespace": NAMESPACE}
        await self.kube.apply_status(
            PODS, {"metadata": metadata, "status": {"phase": "Running"}}, manager="k"
        )
        if copy.spec.gpu is not None:
            await self._grant(name)

    async def _grant(self, pod: str) -> None:
        result = {
            "request": "gpu", "driver": "gpu.headrace.dev", "pool": "gpu1", "device": "gpu-0",
            "consumedCapacity": {"memory": "4Gi", "sessions": "1"},
        }  # fmt: skip
        status = {
            "allocation": {"devices": {"results": [result]}},
            "reservedFor": [{"resource": "pods", "name": pod, "uid": "u"}],
        }
        metadata = {"name": f"{pod}-gpu", "namespace": NAMESPACE}
        await self.kube.create(RESOURCE_CLAIMS, {"metadata": metadata})
        await self.kube.apply_status(RESOURCE_CLAIMS, {"metadata": metadata, "status": status}, manager="k")

    async def _work(self, name: str, way: str, number: int, key: str, identity: str) -> None:
        file = key.rpartition("/")[2]
        identifier = task_id(name, "b", key, identity)
        if file in self.hangs or await self.has("platform", record_key(name, identifier)):
            return
        task = Task(id=identifier, function=name, bucket="b", key=key, etag="e", size=1, received=self.time)
        done = record(
            "w", self.time + number * self.seconds[way], self.time + (number + 1) * self.seconds[way]
        )
        body: Record | FailureRecord = done.model_copy(update={"task": task})
        if file in self.fails:
            body = FailureRecord(
                state=Ending.FAILED, task=task, reason="out of memory", attempts=1, function_digest="d",
                worker="w", ended=self.time,
            )  # fmt: skip
        for left in (note_key(name, identifier), log_key(name, identifier, "a"), f"functions/{name}.json"):
            await self.storage.put("platform", left, b"{}")
        await self.storage.put("platform", record_key(name, identifier), body.to_json())

    async def has(self, bucket: str, key: str) -> bool:
        return key in [each.key async for each in self.storage.list(bucket)]

    async def leftovers(self) -> list[str]:
        kinds = (BUCKETS, FUNCTIONS)  # pods go with their function, which owns them
        objects = [each["metadata"]["name"] for kind in kinds for each in (await self.kube.list(kind)).items]
        return [*objects, *[each.key async for each in self.storage.list("platform")]]

    def assessor(self, made: Plan, **patience: float) -> Assessor:
        ground = Ground(
            self.kube,
            self.storage,
            "platform",
            {Backend.STUB: self},  # type: ignore[dict-item]  (only what is asked of it)
            lambda: self.time,
            self.sleep,
        )
        return Assessor(made, ground, Patience(**patience), lambda what, ended: self.told.append(what))


def _named(found: Any) -> Any:
    return {"metadata": {key: found["metadata"][key] for key in ("name", "namespace")}}


@pytest.fixture
async def played() -> Played:
    return await Played().open()


async def test_each_way_works_the_files_and_nothing_stays(played: Played) -> None:
    found = await played.assessor(plan("remote", CPU, "mps", files=3)).run()
    remote, cpu = found.ways
    assert (found.good, found.cheapest, found.fastest) == (True, ("cpu", "remote"), ("remote", "cpu"))
    assert [(each.name, each.reason) for each in found.left_out] == [("mps", "no pool has it")]
    assert remote.measured is not None
    assert cpu.measured is not None
    assert (remote.measured.seconds_a_file.median, cpu.measured.seconds_a_file.median) == (2.0, 8.0)
    assert remote.served_by == ("remote 10.0.0.1:9393",)
    assert remote.gpu is not None
    assert (remote.gpu.a_file, remote.gpu.counted_by) == (0.5, "server")  # foreign sessions do not count
    assert cpu.gpu is None
    assert remote.price is not None
    rate = remote.measured.files_a_second
    assert remote.price.a_thousand == pytest.approx(1000 / 3600 * (1 / 8 + 4.0 * 4 / 32) / rate)
    assert await played.leftovers() == []


async def test_what_no_server_counts_the_workers_records_tell(played: Played) -> None:
    played.is_silent = True
    (remote,) = (await played.assessor(plan("remote", files=3)).run()).ways
    assert remote.gpu is not None
    assert (remote.gpu.a_file, remote.gpu.counted_by) == (2.0, "worker")


async def test_a_way_without_workers_says_why_and_the_next_is_measured(played: Played) -> None:
    played.refuses = {"remote"}
    found = await played.assessor(plan("remote", CPU), start=30.0).run()
    remote, cpu = found.ways
    assert remote.trouble == "found 0 workers, wanted 1 within 30 s: no room for it"
    assert (found.good, cpu.trouble, found.fastest) == (False, "", ("cpu",))
    assert await played.leftovers() == []


async def test_files_that_fail_are_counted_and_not_measured(played: Played) -> None:
    played.fails, played.hangs = {"1.dcm"}, {"2.dcm"}
    (remote,) = (await played.assessor(plan("remote", files=4), work=60.0).run()).ways
    assert (remote.failed, remote.measured and remote.measured.files) == (1, 2)
    assert remote.trouble == "1 of 4 files failed: out of memory; 1 of 4 files had not ended within 60 s"
    assert await played.leftovers() == []


async def test_a_server_that_is_away_for_a_while_ends_nothing(played: Played) -> None:
    played.at[1_003.0] = lambda: setattr(played.kube, "unreachable", True)
    played.at[1_009.0] = lambda: setattr(played.kube, "unreachable", False)
    played.refuses = {"remote"}
    played.at[1_010.0] = played.refuses.clear
    found = await played.assessor(plan("remote"), start=30.0).run()
    assert found.good
    assert await played.leftovers() == []


async def test_after_ctrl_c_nothing_stays(played: Played) -> None:
    played.hangs = {"0.dcm"}
    running = asyncio.create_task(played.assessor(plan("remote")).run())
    played.at[1_010.0] = lambda: running.cancel() and None
    with pytest.raises(asyncio.CancelledError):
        await running
    assert "remote: computes" in played.told
    assert await played.leftovers() == []


async def test_a_bucket_that_nobody_makes_is_told_and_removed(played: Played) -> None:
    played.is_making_buckets = False
    with pytest.raises(TransientError, match="bucket assess-1a2b3c4d was not made within 5 s"):
        await played.assessor(plan("remote"), ready=5.0).run()
    assert await played.leftovers() == []


async def test_what_may_have_been_made_is_removed_too(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = played.kube.create

    async def unconfirmed(kind: Any, manifest: Any) -> Any:
        await create(kind, manifest)
        if kind is BUCKETS:
            raise TransientError("the connection broke")

    monkeypatch.setattr(played.kube, "create", unconfirmed)
    with pytest.raises(TransientError, match="the connection broke"):
        await played.assessor(plan("remote")).run()
    assert await played.leftovers() == []


async def test_what_can_not_be_removed_is_told_beside_what_was_measured(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object, **__: object) -> None: ...

    monkeypatch.setattr(played.kube, "delete", nothing)
    found = await played.assessor(plan("remote", files=3), gone=10.0).run()
    (remote,) = found.ways
    assert remote.measured is not None
    how = "kubectl delete functions,buckets --namespace headrace-functions"
    assert f"Function assess-1a2b3c4d-remote is not gone within 10 s; see to it by {how}" in remote.trouble
    assert f"Bucket assess-1a2b3c4d is not gone within 10 s; see to it by {how}" in found.trouble
    (bucket,) = (await played.kube.list(BUCKETS)).items
    assert labels_of(bucket) == {"headrace.dev/assessment": "1a2b3c4d"}  # by which it is found
    assert not found.good
