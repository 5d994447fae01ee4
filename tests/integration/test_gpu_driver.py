"""The DRA driver on a real control plane and kubelet: pods compute on GPUs of stub servers elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.gpu_site import GIB, GpuSite, gpu_site, pod, until
from tests.toolchain.cluster.box import Box
from tests.toolchain.images.store import Images

COMPUTE = """
import json, os, headrace_stub, numpy as np
rng = np.random.default_rng(7)
a, b = rng.random((64, 32), np.float32), rng.random((32, 16), np.float32)
with headrace_stub.devices()[0].connect() as gpu:
    same = bool(np.allclose(gpu.matmul(a, b), a @ b, rtol=1e-4))
print(json.dumps({"same": same, "hidden": os.environ["NVIDIA_VISIBLE_DEVICES"]}))
"""
HOLD = "import headrace_stub, time\nheadrace_stub.devices()[0].connect()\ntime.sleep(600)"
SAID = '{"same": true, "hidden": "void"}'


@pytest.fixture
def image(cluster: Box, images: Images) -> str:
    """One with Python and numpy."""
    cluster.load_image(images["headrace"].archive)
    return images["headrace"].reference


@pytest.fixture
async def site(cluster: Box, image: str, tmp_path: Path) -> AsyncIterator[GpuSite]:
    async with gpu_site(cluster, tmp_path) as found:
        yield found


async def test_pods_compute_on_the_servers_and_never_have_more_than_there_is(site: GpuSite, image: str):
    """40 claims of 6Gi on 2 servers of 2 GPUs of 16Gi: eight at a time, as the servers themselves count."""
    names = [f"claim-{number}" for number in range(40)]
    site.create(*(pod(name, image, COMPUTE, gibibytes=6) for name in names))
    assert set((await site.ended(names)).values()) == {"Succeeded"}
    assert [site.output(names[0]).strip(), site.output(names[-1]).strip()] == [SAID, SAID]
    for status in (await site.statuses()).values():
        peaks = [gpu.peak_reserved_bytes for gpu in status.gpus]
        assert status.refused_opens == 0, "Kubernetes never granted what the server does not have"
        assert max(peaks) <= 16 * GIB
    both = [gpu for status in (await site.statuses()).values() for gpu in status.gpus]
    assert sum(gpu.peak_reserved_bytes > 0 for gpu in both) == 4, "all four were used"
    await until(lambda: _no_session(site), "the end of all sessions, as their pods have ended")


async def _no_session(site: GpuSite) -> bool:
    return not await site.sessions()


async def test_plain_limits_mean_a_whole_gpu(site: GpuSite, image: str):
    names = [f"whole-{number}" for number in range(4)]
    site.create(*(pod(name, image, HOLD, gibibytes=None, whole=True) for name in names))
    await until(lambda: _running(site, names), "four pods with a GPU each")
    gpus = [gpu for status in (await site.statuses()).values() for gpu in status.gpus]
    assert [gpu.reserved_bytes for gpu in gpus] == [16 * GIB] * 4
    site.create(pod("small", image, COMPUTE, gibibytes=4))
    await asyncio.sleep(2)
    assert (await site.phases())["small"] == "Pending"


async def _running(site: GpuSite, names: list[str]) -> bool:
    found = await site.phases()
    return all(found.get(name) == "Running" for name in names)


async def test_a_server_that_dies_is_tainted_and_back_it_is_not(site: GpuSite, image: str):
    site.servers["gpu1"].kill()
    await until(lambda: _silent(site, {"gpu1"}), "a taint on gpu1 within its lease")
    names = [f"elsewhere-{number}" for number in range(5)]
    site.create(*(pod(name, image, COMPUTE, gibibytes=6) for name in names))
    assert set((await site.ended(names)).values()) == {"Succeeded"}, "gpu2 serves them in turn"
    assert (await site.servers["gpu2"].status()).refused_opens == 0
    site.serve("gpu1", site.servers["gpu1"].port)
    await until(lambda: _silent(site, set()), "gpu1 without its taint")
    slices = site.box.get("resourceslices")["items"]
    generations = {each["spec"]["pool"]["name"]: each["spec"]["pool"]["generation"] for each in slices}
    assert generations == {"gpu1": 3, "gpu2": 1}, "one change to silent, one back"


async def _silent(site: GpuSite, servers: set[str]) -> bool:
    return {gpu.server for gpu in await site.published() if gpu.silent} == servers


async def test_a_session_whose_node_went_without_a_word_is_closed(site: GpuSite):
    """As of a node that was lost: its plugin never unprepares, and its claim is gone."""
    await site.servers["gpu2"].open("11111111-2222-3333-4444-555555555555.0", memory_bytes=GIB)
    await until(lambda: _no_session(site), "the end of a session that no claim has")


# Where the plugin is killed

POINTS = [
    "before kube.get", "after kube.get", "before kube.get", "after kube.get",  # the claim, the server
    "before books.put", "after books.put",
    "before server.open", "after server.open",
    "before specs.write", "after specs.write",
    "before books.put", "after books.put",
    "before specs.remove", "after specs.remove",
    "before server.close", "after server.close",
    "before books.remove", "after books.remove",
]  # fmt: skip


async def test_a_plugin_that_is_killed_after_a_write_goes_on_where_it_was(site: GpuSite, image: str):
    for point in range(5, len(POINTS), 5):
        await _die_and_go_on(site, image, point)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_plugin_that_is_killed_at_any_point_goes_on_where_it_was(site: GpuSite, image: str):
    site.stop_plugin()
    await site.start_deadly_plugin(-1)
    site.create(pod("alive", image, COMPUTE, gibibytes=4))
    assert (await site.ended(["alive"]))["alive"] == "Succeeded"
    await site.sweep()
    assert site.mark.read_text().splitlines() == POINTS, "the table has every call of a life without a death"
    for point in range(len(POINTS)):
        await _die_and_go_on(site, image, point)


async def _die_and_go_on(site: GpuSite, image: str, point: int) -> None:
    site.stop_plugin()
    site.mark.unlink(missing_ok=True)
    await site.start_deadly_plugin(point)
    name = f"killed-{point}"
    site.create(pod(name, image, COMPUTE, gibibytes=4))
    ended = asyncio.create_task(site.ended([name]))
    await until(lambda: _died(site), f"the plugin's death {POINTS[point]}")
    assert site.mark.read_text() == POINTS[point]
    await site.start_deadly_plugin(point)
    assert (await ended)[name] == "Succeeded", POINTS[point]
    assert site.output(name).strip() == SAID, POINTS[point]
    await site.sweep()
    assert (await site.servers["gpu1"].status()).refused_opens == 0, POINTS[point]


async def _died(site: GpuSite) -> bool:
    return site.mark.exists() and site.plugin is not None and site.plugin.child.poll() is not None
