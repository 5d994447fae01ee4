"""What the doctor reads of an API server: clock, rights, and objects, or why they can't be seen."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from headrace.doctor.asking import ask
from headrace.doctor.checkup import Patient, groups
from headrace.doctor.finding import Ground
from headrace.doctor.probes.clocks import node_facts
from headrace.doctor.probes.cluster import (
    Site,
    cluster_facts,
    gpu_facts,
    operator_settings,
    pool_facts,
    rights_facts,
    seen_in,
)
from headrace.kube.asking import Greeting, Wish
from headrace.kube.kinds import (
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    FUNCTIONS,
    LEASES,
    NODE_POOLS,
    NODES,
    SECRETS,
    STATEFUL_SETS,
)
from headrace.kube.lightkube import LightKube
from headrace.kube.memory import MemoryKube
from headrace.manifests.definitions import definitions
from headrace.model.errors import ConfigurationError, HeadraceError, NotFoundError
from headrace.model.labels import HEADRACE, PART_OF, SCALER_LEASE
from tests.unit.scaler_cluster import function_object, pool_object

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
SPACE, PLATFORM = "headrace-functions", "headrace"


class Asked:
    """Says its version and clock, and denies what it is told to."""

    def __init__(self, *denied: str) -> None:
        self.denied = denied
        self.users: set[str] = set()

    async def greet(self) -> Greeting:
        return Greeting("v1.36.0", NOW)

    async def may(self, wish: Wish, *, user: str = "") -> bool:
        self.users.add(user)
        return wish.verb not in self.denied


def site(kube: MemoryKube, asked: Asked | None = None) -> Site:
    return Site(kube, asked or Asked(), PLATFORM, (SPACE,))


def answering(answer: Callable[[httpx2.Request], httpx2.Response]) -> LightKube:
    transport = httpx2.MockTransport(answer)
    return LightKube(httpx2.AsyncClient(transport=transport, base_url="https://cluster.example"))


async def deployed() -> MemoryKube:
    kube = MemoryKube()
    for each in definitions():
        await kube.create(CUSTOM_RESOURCE_DEFINITIONS, each)
    labels = {PART_OF: HEADRACE}
    for kind, name in ((DEPLOYMENTS, "scaler"), (STATEFUL_SETS, "queue")):
        await kube.create(kind, {"metadata": {"name": name, "namespace": PLATFORM, "labels": labels}})
    await kube.create(DEPLOYMENTS, {"metadata": {"name": "another", "namespace": PLATFORM}})
    await kube.create(FUNCTIONS, function_object())
    await kube.create(NODE_POOLS, pool_object())
    await kube.create(LEASES, {"metadata": {"name": SCALER_LEASE, "namespace": PLATFORM}, "spec": {}})
    return kube


def names(found: Any) -> list[str]:
    return [each["metadata"]["name"] for each in found]


# The API server's own answers


async def test_a_server_says_its_version_and_its_time() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == "/version"
        return httpx2.Response(200, json={"gitVersion": "v1.36.0"}, headers={"Date": DATE})

    kube = answering(answer)
    assert await kube.greet() == Greeting("v1.36.0", NOW)
    await kube.close()


@pytest.mark.parametrize(
    ("user", "path"),
    [
        ("", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
        ("somebody", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
    ],
)
@pytest.mark.parametrize("allowed", [True, False])
async def test_a_server_says_what_somebody_may_do(user: str, path: str, allowed: bool) -> None:
    sent: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == path
        sent.append(json.loads(request.content))
        return httpx2.Response(201, json={"status": {"allowed": allowed}})

    kube = answering(answer)
    assert await kube.may(Wish("get", SECRETS, "a", "b"), user=user) is allowed
    assert sent[0]["spec"]["resourceAttributes"] == {
        "verb": "get",
        "version": "v1",
        "resource": "secrets",
        "namespace": "a",
        "name": "b",
    }
    await kube.close()


async def test_who_may_not_even_ask_is_told_so() -> None:
    kube = answering(lambda _: httpx2.Response(403, json={"kind": "Status", "message": "no"}))
    with pytest.raises(ConfigurationError, match="the right to list nodes: no"):
        await kube.may(Wish("list", NODES))
    await kube.close()


# Objects


async def test_a_platforms_objects_are_read() -> None:
    found = await cluster_facts(site(await deployed()), None)
    assert (found.greeting, found.now) == (Greeting("v1.36.0", NOW), NOW)
    assert len(names(found.definitions)) == len(definitions())
    assert names(found.workloads) == ["scaler", "queue"], "what is not Headrace's is left out"
    assert names(found.leases) == [SCALER_LEASE]
    assert names(found.objects) == ["echo"]


async def test_what_can_not_be_seen_stands_in_the_place_of_objects() -> None:
    kube = await deployed()
    kube.hidden.add(SPACE)
    assert isinstance((await cluster_facts(site(kube), None)).objects, HeadraceError)
    assert isinstance(await seen_in(kube, FUNCTIONS, ("headrace", SPACE)), HeadraceError)


async def test_a_server_that_is_away_is_the_only_fact() -> None:
    class Away(Asked):
        async def greet(self) -> Greeting:
            raise ConfigurationError("away")

    found = await cluster_facts(site(await deployed(), Away()), None)
    assert isinstance(found.greeting, ConfigurationError)


async def test_without_a_plan_it_is_said_that_the_scaler_told_nothing() -> None:
    found = await pool_facts(site(await deployed()))
    assert (names(found.pools), found.nodes, found.explained) == (["sim"], (), None)
    assert found.unexplained.startswith("the scaler has told nothing")


async def test_gpus_are_those_of_pools_and_servers() -> None:
    found = await gpu_facts(site(await deployed()))
    assert not isinstance(found.gpus, HeadraceError)
    assert (found.gpus.servers, names(found.pools)) == ((), ["sim"])


async def test_rights_are_the_callers_and_on_nodes_the_scalers() -> None:
    asked = Asked("delete")
    wish = Wish("get", SECRETS, PLATFORM)
    found = await rights_facts(site(await deployed(), asked), [wish, wish], "the scaler")
    assert found.own == {wish: True}
    assert {each.verb: granted for each, granted in found.scaler.items() if each.kind is NODES} == {
        "list": True,
        "patch": True,
        "create": True,
        "delete": False,
    }
    assert asked.users == {"", "the scaler"}


async def test_settings_that_are_not_there_are_an_error() -> None:
    with pytest.raises(NotFoundError):
        await operator_settings(await deployed(), PLATFORM)


async def test_leases_of_nodes_that_are_ready_have_an_age_by_the_servers_clock() -> None:
    kube = MemoryKube(namespaces=("kube-node-lease",))
    for name, status in (("on", "True"), ("off", "Unknown")):
        await kube.create(
            NODES,
            {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": status}]}},
        )
        spec = {"renewTime": "2023-11-14T22:13:12.500000Z"}
        await kube.create(LEASES, {"metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": spec})
    await kube.apply_status(
        NODES, {"metadata": {"name": "on"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        manager="kubelet",
    )  # fmt: skip
    found = await node_facts(kube, Asked(), {})
    assert found.renewed == {"on": 7.5}


async def test_every_check_of_a_cluster_is_answered_in_order() -> None:
    patient = Patient(Ground("state", kubeconfig="x"), "0.1.0", site=site(await deployed()), unreached="away")
    asked: list[str] = []
    found = await ask(groups(patient), lambda group, _: asked.append(group.name))
    expected = [check.code for group in groups(patient) for check in group.checks]
    assert [each.code for each in found] == expected
    broken = [each for each in found if "could not be looked at" in each.found]
    assert broken == []
