"""Workers with GPUs of servers on a real node: files, records, and a server that dies under them."""

import asyncio
import json
from pathlib import Path

from headrace.manifests.function_objects import Owner, claim_template
from headrace.model.function import Function
from headrace.model.record import Record
from headrace.operations.records import Records
from headrace.placement.inventory import inventory_of
from headrace.placement.ways import Way, choose_way
from tests.fixtures.nats import NatsServer
from tests.fixtures.seaweedfs import SeaweedServer
from tests.integration.gpu_site import GpuSite, gpu_site
from tests.integration.gpu_site import until as gpu_until
from tests.integration.worker_site import site, until
from tests.toolchain.cluster.box import Box
from tests.toolchain.images.store import Images
from tests.unit.test_gpu_ways import pool, server

SOURCE = """
python3 - <<'CODE'
import os, time
import headrace_stub
import numpy as np

a = np.ones((8, 8), np.float32)
seconds = 600 if os.environ["HEADRACE_ATTEMPT"] == "1" and "slow" in os.environ["INPUT_FILE_PATH"] else 0
with headrace_stub.devices()[0].connect() as gpu:
    until = time.monotonic() + seconds
    total = float(gpu.matmul(a, a).sum())
    while time.monotonic() < until:
        gpu.matmul(a, a)
        time.sleep(0.2)
with open(os.environ["TMP_OUTPUT_DIR"] + "/sum", "w") as out:
    out.write(str(total))
CODE
"""


def the_function(image: str) -> Function:
    spec = {
        "image": image,
        "run": {"script": "work.sh", "source": SOURCE},
        "input": [{"bucket": "uploads"}],
        "output": [{"bucket": "results"}],
        "gpu": {"memory": "4Gi", "access": ["mig", "remote"]},
        "resources": {"cpu": "100m", "memory": "256Mi"},
    }
    head = {"apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": "remote"}}
    return Function.from_json(json.dumps({**head, "spec": spec}))


def the_way(function: Function) -> Way:
    """As the scaler chooses it: there is no MIG, so remote."""
    choice = choose_way(function, inventory_of([pool("cpu")], [server("gpu1"), server("gpu2")]))
    assert choice.told == "remote on gpu1, gpu2; not mig: no pool has it"
    return choice.way


async def test_a_file_whose_server_dies_is_worked_on_the_other(
    cluster: Box, images: Images, nats_server: NatsServer, seaweedfs: SeaweedServer, tmp_path: Path
):
    cluster.load_image(images["headrace"].archive)
    function = the_function(images["headrace"].reference)
    way, servers = the_way(function), (nats_server, seaweedfs)
    async with gpu_site(cluster, tmp_path) as gpus, site(cluster, images, servers, function) as workers:
        template = claim_template(function, workers.digest, Owner("remote", workers.namespace, "uid"))
        metadata = {key: each for key, each in template["metadata"].items() if key != "ownerReferences"}
        cluster.apply({**template, "metadata": metadata})
        quick, slow = await workers.upload("quick", "slow")
        first = workers.start(0, way)
        record = await workers.ended(quick)
        assert isinstance(record, Record)
        assert record.gpu is not None
        assert record.gpu.startswith("remote 198.18.")
        used = await _server_in_use(gpus)
        gpus.servers[used].kill()
        await until(lambda: workers.pods()[first]["status"]["phase"] == "Succeeded", "the worker's own end")
        await gpu_until(lambda: _silent(gpus, used), "the taint, before which a claim may still go there")
        workers.start(1, way)
        again = await workers.ended(slow)
        records = Records(workers.storage, workers.buckets["platform"])
        note = await records.note("remote", slow.id)
        gpus.serve(used, gpus.servers[used].port)  # so that all can be seen to end
    assert isinstance(again, Record), again
    assert again.gpu is not None
    assert again.gpu != record.gpu, "the other server's"
    assert len(note.failures) == note.lost_gpus == 1
    assert "does not answer" in note.failures[0] or "has not answered" in note.failures[0]


async def _silent(gpus: GpuSite, server_name: str) -> bool:
    return {gpu.server for gpu in await gpus.published() if gpu.silent} == {server_name}


async def _server_in_use(gpus: GpuSite) -> str:
    async def found() -> str:
        for name, each in gpus.servers.items():
            if any(session.connections for session in (await each.sessions()).values()):
                return name
        return ""

    async with asyncio.timeout(60):
        while not (name := await found()):
            await asyncio.sleep(0.2)
    return name
