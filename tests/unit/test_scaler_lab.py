"""Two tenants under the real scaler: workers with long queues end for another's sake, and quotas hold.

Nothing of the service is idealised: it observes, makes room, decides, acts, on nodes and a queue in memory.
"""

import json
from random import Random

import pytest

from headrace.model.tenant import Tenant
from tests.fixtures.lab import Lab, lab_function, lab_pool

WAIT, BOOT, STEP = 60.0, 60.0, 2.0
FLOOD_SECONDS = 60.0  # of one of its files: longer than a worker may go on where it is just told to end


def tenant(name: str, **fields: object) -> Tenant:
    return Tenant.from_json(json.dumps({"name": name, **fields}))


BOTH = (tenant("lab"), tenant("ward"))


async def flooded(tenants: tuple[Tenant, ...], *, cpu: str = "1", seed: int = 0, **scale: object) -> Lab:
    """A quarter of an hour: two nodes of four cores, 200 files at once, and a file a minute beside."""
    lab = Lab(
        [lab_function("flood", "lab"), lab_function("thin", "ward", cpu=cpu, **scale)],
        lab_pool(nodes=2, cpu=4, boot_seconds=BOOT),
        tenants=tenants,
        seconds={"flood": FLOOD_SECONDS, "thin": 5.0},
    )
    chance, began = Random(seed), lab.clock.now()
    await lab.put("thin", 0)
    await lab.put("flood", 200)
    following = began + chance.expovariate(1 / 60)
    while lab.clock.now() < began + 900:
        if following <= lab.clock.now() < began + 700:
            await lab.put("thin", 1)
            following = lab.clock.now() + chance.expovariate(1 / 60)
        await lab.step(STEP)
    return lab


@pytest.mark.parametrize(("cpu", "seed"), [("1", 0), ("1", 1), ("3", 0)])
async def test_who_trickles_starts_in_time_beside_workers_that_never_lack_a_file(cpu: str, seed: int) -> None:
    lab = await flooded(BOTH, cpu=cpu, seed=seed)
    assert lab.waiting("thin") == 0
    assert max(lab.waits("thin")) <= WAIT + BOOT + STEP
    assert len(lab.waits("flood")) > 80, "the flood goes on beside it"


async def test_undeclared_it_waits_for_the_flood() -> None:
    lab = await flooded(())
    assert max(lab.waits("thin")) > WAIT + BOOT + STEP or lab.waiting("thin") > 0


async def test_with_one_worker_kept_it_starts_at_once() -> None:
    """minWorkers is a part of its share: nobody's files take the idle worker's room."""
    lab = await flooded(BOTH, minWorkers=1)
    later = lab.waits("thin")[1:]
    assert len(later) > 5
    assert sum(wait <= STEP for wait in later) > 0.8 * len(later)


async def test_a_quota_is_never_exceeded_by_any_worker_that_is_there() -> None:
    """Whoever is told to end counts until it is gone, while functions of one tenant take turns."""
    names = ("one", "two", "three")
    lab = Lab(
        [lab_function(name, "lab", maxWaitSeconds=0, idleSeconds=20) for name in names],
        lab_pool(nodes=3, cpu=4, boot_seconds=10.0),
        tenants=[tenant("lab", quota={"workers": 5, "resources": {"cpu": "7"}})],
        seconds={"one": 4.0, "two": 9.0, "three": 2.0},
    )
    chance, most = Random(1), 0
    for name in names:
        await lab.put(name, 0)
    for _ in range(200):
        if chance.random() < 0.15:
            await lab.put(chance.choice(names), chance.randint(1, 15))
        await lab.step(1.0)
        most = max(most, len(lab.pods.there))
        assert len(lab.pods.there) <= 5
    assert most == 5
    assert all(lab.waits(name) for name in names)
