"""/system: services are made, shown, changed and deleted as OSCAR's clients ask for it."""

from pathlib import Path

import pytest

from headrace.model.settings import KubernetesSettings
from headrace.model.tenant import Tenant
from tests.fixtures.world import installed
from tests.unit.api_bench import API, COWSAY, Bench, basic, bearer


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_health_is_open_to_everybody(bench: Bench) -> None:
    async with bench.client(authorization="none") as client:
        answer = await client.get("/health")
    assert (answer.status_code, answer.text) == (200, "Ok")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "none"},
        basic("oscar", "wrong"),
        basic("nobody", "secret"),
        bearer("a" * 64),
        {"Authorization": "Basic not-base64"},
    ],
)
@pytest.mark.parametrize("path", ["info", "config", "status", "logs", "services", "services/cowsay"])
async def test_a_wrong_password_opens_nothing(bench: Bench, headers: dict[str, str], path: str) -> None:
    async with bench.client(**headers) as client:
        answer = await client.get(f"/system/{path}")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="headrace"')


async def test_a_service_is_shown_as_it_was_sent_with_its_token(bench: Bench) -> None:
    async with bench.client() as client:
        made = await bench.cowsay(client)
        shown = (await client.get("/system/services/cowsay")).json()
        listed = (await client.get("/system/services")).json()
    assert listed == [shown]
    assert {key: shown[key] for key in ("name", "image", "script")} == {
        key: COWSAY[key] for key in ("name", "image", "script")
    }
    assert shown["input"][0] == {
        "storage_provider": "minio.default",
        "path": "cowsay/input",
        "suffix": [],
        "prefix": [],
        "options": "",
    }
    assert shown["token"] == made["token"]
    assert len(shown["token"]) == 64
    assert shown["labels"] == {"oscar_service": "cowsay"}
    assert shown["storage_providers"]["minio"]["default"]["access_key"] == "own"


async def test_a_name_that_is_taken_is_a_conflict(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        answer = await client.post("/system/services", json=COWSAY)
    assert (answer.status_code, answer.json()["error"]) == (409, "it is there already")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"script": ""}, "script"),
        ({"image": ""}, "image"),
        ({"name": "Bad_Name"}, "name"),
        ({"memory": "much"}, "memory"),
        ({"expose": {"api_port": [80]}}, "expose"),
        ({"environment": {"secrets": {"no name": "x"}}}, "environment.secrets"),
    ],
)
async def test_a_service_that_can_not_be_is_refused_by_field(
    bench: Bench, changes: dict[str, object], told: str
) -> None:
    async with bench.client() as client:
        answer = await client.post("/system/services", json={**COWSAY, **changes})
        listed = await client.get("/system/services")
    assert answer.status_code == 400
    assert told in answer.json()["reason"]
    assert listed.json() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"\xff"])
async def test_a_body_that_is_no_service_is_refused(bench: Bench, body: bytes) -> None:
    async with bench.client() as client:
        answer = await client.post("/system/services", content=body)
    assert answer.status_code == 400


async def test_a_change_needs_a_service_that_is_there(bench: Bench) -> None:
    async with bench.client() as client:
        absent = await client.put("/system/services", json=COWSAY)
        await bench.cowsay(client)
        changed = await client.put("/system/services", json={**COWSAY, "memory": "512Mi"})
        shown = (await client.get("/system/services/cowsay")).json()
    assert (absent.status_code, changed.status_code, shown["memory"]) == (404, 204, "512Mi")


async def test_what_is_shown_can_be_sent_back(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client, environment={"variables": {"A": "1"}, "secrets": {"KEY": "hidden"}})
        shown = (await client.get("/system/services/cowsay")).json()
        answer = await client.put("/system/services", json=shown)
        again = (await client.get("/system/services/cowsay")).json()
    assert answer.status_code == 204, answer.text
    assert shown["environment"] == {"variables": {"A": "1"}, "secrets": {"KEY": ""}}
    assert again == shown


async def test_a_deleted_service_is_gone(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client)
        gone = await client.delete("/system/services/cowsay")
        again = await client.delete("/system/services/cowsay")
        read = await client.get("/system/services/cowsay")
    assert (gone.status_code, gone.content, again.status_code, read.status_code) == (204, b"", 404, 404)


async def test_a_function_that_is_kept_elsewhere_is_shown_and_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, installed("echo").function)
    async with bench.client() as client:
        shown = await client.get("/system/services/echo")
        changed = await client.put("/system/services", json={**COWSAY, "name": "echo"})
        gone = await client.delete("/system/services/echo")
    assert shown.status_code == 200
    assert (changed.status_code, gone.status_code) == (409, 409)
    assert "not made through the API" in gone.json()["reason"]


async def test_without_an_input_or_an_output_a_service_answers_requests(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.cowsay(client, input=[], output=[])
        shown = (await client.get("/system/services/cowsay")).json()
    assert [each["path"] for each in shown["input"]] == ["requests/cowsay"]
    assert [each["path"] for each in shown["output"]] == ["answers/cowsay"]


async def test_a_slash_at_the_end_does_not_matter(bench: Bench) -> None:
    async with bench.client() as client:
        answers = [await client.get(path) for path in ("/system/config/", "/system/services/", "/health/")]
    assert [each.status_code for each in answers] == [200, 200, 200]


async def test_the_store_s_own_key_is_never_handed_out(bench: Bench) -> None:
    async with bench.client() as client:
        own = await client.get("/system/config")
    async with bench.client(**basic("ann", "ann-secret")) as client:
        none = await client.get("/system/config")
    assert own.json()["config"]["name"] == "oscar"
    assert own.json()["minio_provider"]["secret_key"] == "own-secret"
    assert none.json()["minio_provider"]["secret_key"] == ""
    assert "ask the operator" in none.json()["minio_provider"]["reason"]
    assert "root-secret" not in own.text + none.text


async def test_what_oscar_has_and_headrace_has_not_is_refused_with_a_reason(bench: Bench) -> None:
    async with bench.client() as client:
        volumes = await client.get("/system/volumes")
        unknown = await client.get("/system/unknown")
        method = await client.patch("/system/services")
    assert (volumes.status_code, unknown.status_code, method.status_code) == (501, 404, 405)
    assert "PersistentVolumeClaim" in volumes.json()["reason"]
    assert {each.strip() for each in method.headers["allow"].split(",")} == {"GET", "HEAD", "POST", "PUT"}


# Tenants


def two_tenants(tmp_path: Path) -> Bench:
    names = {name: f"{name}-{bucket}" for name in ("lab", "other") for bucket in ("cowsay",)}
    tenants = tuple(Tenant(name=name, buckets={"cowsay": real}) for name, real in names.items())
    place = KubernetesSettings(namespace="functions", platform_namespace="headrace", tenants=tenants)
    return Bench(tmp_path, api=API, place=place)


async def test_a_tenant_s_user_sees_and_makes_its_own_alone(tmp_path: Path) -> None:
    bench = two_tenants(tmp_path)
    async with bench.client(**basic("ann", "ann-secret")) as ann:
        await bench.cowsay(ann)
        own = [each["name"] for each in (await ann.get("/system/services")).json()]
    async with bench.client(**basic("bob", "bob-secret")) as bob:
        others = (await bob.get("/system/services")).json()
        reads = [(await bob.get(f"/system/services/{name}")).status_code for name in ("cowsay", "lab.cowsay")]
        gone = await bob.delete("/system/services/lab.cowsay")
        forbidden = await bob.get("/system/status")
    async with bench.client() as root:
        all_of_them = [each["name"] for each in (await root.get("/system/services")).json()]
    assert (own, others, reads, gone.status_code) == (["cowsay"], [], [404, 404], 404)
    assert forbidden.status_code == 403
    assert all_of_them == ["lab.cowsay"]


async def test_an_administrator_changes_a_tenant_s_service_by_its_whole_name(tmp_path: Path) -> None:
    bench = two_tenants(tmp_path)
    async with bench.client(**basic("ann", "ann-secret")) as ann:
        await bench.cowsay(ann)
    async with bench.client() as root:
        shown = (await root.get("/system/services/lab.cowsay")).json()
        answer = await root.put("/system/services", json={**shown, "memory": "1Gi"})
    functions = await bench.deployments.listed()
    assert (answer.status_code, [each.name for each in functions]) == (204, ["lab.cowsay"])
    assert functions[0].spec.resources.memory == "1Gi"
