"""`headrace gpus` and wishes in `headrace function check`: what is told of a cluster's GPUs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console, Group
from typer.testing import CliRunner

from headrace.cli.gpus import shown
from headrace.cli.main import app
from headrace.manifests.gpu_slices import Silence, resource_slice
from headrace.operations.gpus import Gpus, LocalOffer, Objects, ServerGpu, ServerState, Use, gpus_of
from tests.unit.test_gpu_ways import PARTS, SEVEN, gpus, server

GIB = 2**30


def of(value: Any) -> dict[str, Any]:
    return json.loads(value.to_json())


def node(name: str, pool: str, resource: str, number: int) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"headrace.dev/pool": pool}},
        "status": {"allocatable": {"cpu": "8", resource: str(number)}},
    }


def pod(name: str, node_name: str, resource: str, number: int, phase: str = "Running") -> dict[str, Any]:
    container = {"name": "main", "resources": {"requests": {resource: str(number)}}}
    return {
        "metadata": {"name": name, "namespace": "lab"},
        "spec": {"nodeName": node_name, "containers": [container]},
        "status": {"phase": phase},
    }


def claim(name: str, server_name: str, number: int, memory: str, *pods: str) -> dict[str, Any]:
    result = {
        "request": "gpu", "driver": "gpu.headrace.dev", "pool": server_name, "device": f"gpu-{number}",
        "consumedCapacity": {"memory": memory, "sessions": "1"},
    }  # fmt: skip
    reserved = [{"resource": "pods", "name": each, "uid": "u"} for each in pods]
    return {
        "metadata": {"namespace": "lab", "name": name, "uid": name},
        "status": {"allocation": {"devices": {"results": [result]}}, "reservedFor": reserved},
    }


MIG = "nvidia.com/mig-1g.5gb"
FOUND = Objects(
    pools=[of(PARTS)],
    nodes=[node("n1", "parts", MIG, 14), node("n2", "parts", MIG, 14), node("other", "", MIG, 7)],
    pods=[pod("a", "n1", MIG, 2), pod("b", "n2", MIG, 1), pod("c", "n1", MIG, 9, "Succeeded")],
    servers=[of(server("gpu1")), of(server("gpu2"))],
    slices=[
        dict(resource_slice(server("gpu1"), generation=1)),
        dict(resource_slice(server("gpu2"), generation=2, silence=Silence("2026-11-26T09:00:00Z"))),
    ],
    claims=[claim("one", "gpu1", 0, "6Gi", "echo-0"), claim("two", "gpu1", 0, "4Gi")],
)
EXPECTED = Gpus(
    (LocalOffer("parts", "mig", MIG, "A100", 5 * 10**9, 14, 2, 28, (Use("lab/a", 2), Use("lab/b", 1))),),
    (
        ServerState(
            "gpu1",
            "10.0.0.1:9393",
            "stub",
            "memory",
            (
                ServerGpu(0, "T4", 16 * GIB, 4, (Use("lab/echo-0", 6 * GIB), Use("claim lab/two", 4 * GIB))),
                ServerGpu(1, "T4", 16 * GIB, 4),
            ),
        ),
        ServerState(
            "gpu2",
            "10.0.0.1:9393",
            "stub",
            "memory",
            (ServerGpu(0, "T4", 16 * GIB, 4), ServerGpu(1, "T4", 16 * GIB, 4)),
            "it does not answer",
        ),
    ),
)


def test_what_there_is_who_has_it_and_what_is_free():
    found = gpus_of(FOUND)
    assert found == EXPECTED
    assert (found.local[0].free, found.servers[0].gpus[0].free_bytes) == (25, 6 * GIB)


def test_a_server_that_nobody_has_published_says_so():
    (state,) = gpus_of(Objects(servers=[of(server("gpu1"))])).servers
    assert state.trouble == "not published yet; does the publisher run?"


def printed(found: Gpus) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(Group(*shown(found)))
    return capture.get()


def test_people_see_bars_and_names():
    text = printed(EXPECTED)
    assert "25 of 28 on 2 nodes" in text
    assert "6Gi of 16Gi" in text
    assert "lab/echo-0, claim lab/two" in text
    assert "it does not answer" in text
    assert "█" * 12 + "░" * 8 in text, "10 of 16 GiB"


def test_where_there_is_none_that_is_said():
    assert "no pool has GPUs" in printed(Gpus())
    assert "no GPU server is declared" in printed(Gpus())


# function check


def folder(tmp_path: Path, wish: dict[str, Any]) -> Path:
    made = tmp_path / "functions" / "echo"
    made.mkdir(parents=True)
    spec = {"run": {"script": "s.sh"}, "input": [{"bucket": "uploads"}], "gpu": wish}
    head = {"apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": "echo"}}
    (made / "function.yaml").write_text(yaml.safe_dump({**head, "spec": spec}))
    (made / "s.sh").write_text("true\n")
    return made.parent


@pytest.mark.parametrize(
    ("wish", "code", "told"),
    [
        ({"access": ["mig", "remote"]}, 0, "mig nvidia.com/mig-1g.5gb"),
        ({"access": ["passthrough", "remote"]}, 0, "remote on a; not passthrough: no pool has it"),
        ({"memory": "80Gi", "access": ["mig", "remote"]}, 1, "pool parts has 4.66Gi each"),
        ({"access": ["mig"], "profile": "2g.10gb"}, 1, "no pool has profile 2g.10gb; there is 1g.5gb"),
        ({"access": ["timeslice"], "isolation": "full"}, 1, "its isolation is none, wanted full"),
    ],
)
def test_a_wish_is_checked_by_what_the_cluster_has(tmp_path: Path, wish, code: int, told: str):
    cluster = tmp_path / "cluster.yaml"
    slices = gpus("slices", {"timeslice": 4})
    cluster.write_text(yaml.safe_dump_all([of(gpus("parts", SEVEN)), of(slices), of(server("a"))]))
    functions = folder(tmp_path, wish)
    arguments = ["function", "check", str(functions), "--gpus", str(cluster)]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, told in result.output) == (code, True), result.output
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert document["gpus"]["echo"]["ok"] is (code == 0)


def test_a_cluster_file_with_faults_names_each(tmp_path: Path):
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(yaml.safe_dump_all([{**of(server("a")), "spec": {}}, {**of(PARTS), "spec": {}}]))
    result = CliRunner().invoke(app, ["function", "check", str(folder(tmp_path, {})), "--gpus", str(cluster)])
    assert result.exit_code != 0
    assert [part in str(result.exception) + result.output for part in ("spec.address", "spec.driver")] == [
        True
    ] * 2
