"""The role rcuda_client on a real host over ssh; its server is the stub, on this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ansible.archive import Archive, made
from tests.ansible.playing import Played, Stage, inventory
from tests.fixtures.stub_gpu import StubServer, stub_server
from tests.toolchain.machines import Machine, Machines

NAME = "rCUDAv18.03beta-CUDA9.0-linux64"
CURRENT = "/opt/rcuda-client/current"
# By the variables that the role gives it: opens a session, multiplies on the server, compares with numpy.
PROBE = f"""\
import asyncio, os, sys
sys.path.insert(0, "{CURRENT}/lib/stub")
import numpy as np
from headrace.gpu.stub import control
from headrace.gpu.stub.client.headrace_stub import Device, Place
assert os.environ["RCUDA_DEVICE_COUNT"] == "1"
address, _, given = os.environ["RCUDA_DEVICE_0"].rpartition(":")[0].partition("@")
port = int(given or 8308)
asyncio.run(control.open_session(address, port, session="probe", gpu=0, memory_bytes=2**24))
a, b = np.random.rand(20, 30).astype("f"), np.random.rand(30, 10).astype("f")
with Device(Place(address, port, "probe")) as gpu:
    np.testing.assert_allclose(gpu.matmul(a, b), a @ b, rtol=1e-5)
asyncio.run(control.close_session(address, port, session="probe"))
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return made(tmp_path_factory.mktemp("archives") / f"{NAME}.tgz")


@pytest.fixture(scope="module")
def host(site: Machines) -> Machine:
    return site.started("node1")


@pytest.fixture(scope="module")
def server(site: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    with stub_server(tmp_path_factory.mktemp("stub") / "log", address=site.gateway, memory="64Mi") as found:
        yield found


class Scene:
    """The host, and what it is told."""

    def __init__(self, host: Machine, stage: Stage, archive: Archive, server: StubServer) -> None:
        self.host, self.stage, self.archive, self.server = host, stage, archive, server

    def play(self, *arguments: str, port: int | None = None, **variables: Any) -> Played:
        device = {"address": self.server.address, "port": port or self.server.port}
        usual = {
            "rcuda_client_archive": str(self.archive.path),
            "rcuda_client_archive_sha256": self.archive.sha256,
            "rcuda_client_devices": [device],
            "rcuda_client_probe_seconds": 20,
        }
        return self.stage.play(
            "rcuda", inventory("rcuda_clients", self.host, **{**usual, **variables}), *arguments
        )


@pytest.fixture
def scene(host: Machine, stage: Stage, archive: Archive, server: StubServer) -> Scene:
    return Scene(host, stage, archive, server)


@pytest.mark.long
def test_a_dry_run_on_a_bare_host_changes_nothing(scene: Scene) -> None:
    played = scene.play("--check")
    assert played.code == 0, played.output
    assert "Write the variables" in played.changed()
    assert scene.host.told("ls /opt") == ""


@pytest.mark.long
def test_a_server_that_does_not_answer_is_told(scene: Scene) -> None:
    played = scene.play(port=1, rcuda_client_probe_seconds=3)
    assert played.code == 2
    assert (
        f"GPU server {scene.server.address}:1 does not answer within 3 s; does it run" in played.failures()[0]
    )


def test_a_program_of_the_host_computes_on_the_server(scene: Scene) -> None:
    played = scene.play(
        rcuda_client_probe=["python3", "-c", PROBE], rcuda_client_profile=True, rcuda_client_protocol="TCP"
    )
    assert played.code == 0, played.output
    place = f"{scene.server.address}@{scene.server.port}:0"
    assert scene.host.told("grep -v '^#' /etc/rcuda/client.env").splitlines() == [
        f"LD_LIBRARY_PATH={CURRENT}/lib:{CURRENT}/lib/cudnn",
        "RCUDA_DEVICE_COUNT=1",
        f"RCUDA_DEVICE_0={place}",
        "RCUDAPROTO=TCP",
    ]
    assert scene.host.told("bash -lc 'echo $RCUDA_DEVICE_0'") == place
    assert scene.host.told(f"ls {CURRENT}/lib/libcudart.so.9.0")


def test_the_second_run_changes_nothing_but_what_is_other(scene: Scene) -> None:
    played = scene.play(rcuda_client_profile=True, rcuda_client_protocol="TCP")
    assert (played.code, played.changed()) == (0, []), played.output


def test_a_probe_that_fails_is_told_with_what_it_said(scene: Scene) -> None:
    played = scene.play(rcuda_client_probe=["python3", "-c", "raise SystemExit('wrong product')"])
    assert played.code == 2
    assert "found exit code 1 (wrong product), allowed 0; see the servers' logs" in played.failures()[-1]
    assert scene.host.told("bash -lc 'echo $RCUDA_DEVICE_0'") == ""  # no login is told any more


def test_an_archive_of_something_else_is_told(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "other.tgz"
    other.write_bytes(b"rubbish")
    played = scene.play(rcuda_client_archive=str(other))
    assert f"allowed SHA-256 {scene.archive.sha256}" in played.failures()[0]


@pytest.mark.long
def test_every_option_changed(scene: Scene) -> None:
    changed = {
        "rcuda_client_root": "/srv/rcuda-client", "rcuda_client_environment_file": "/etc/gpu/rcuda.env",
        "rcuda_client_profile": True, "rcuda_client_protocol": "IB", "rcuda_client_kept_versions": 1,
        "rcuda_client_probe": ["true"], "rcuda_client_probe_seconds": 9,
        "rcuda_client_devices": [
            {"address": scene.server.address, "port": scene.server.port, "gpu": 0},
            {"address": scene.server.address, "port": scene.server.port, "gpu": 1},
        ],
    }  # fmt: skip
    played = scene.play(**changed)
    assert played.code == 0, played.output
    place = f"{scene.server.address}@{scene.server.port}"
    assert scene.host.told("grep -v '^#' /etc/gpu/rcuda.env").splitlines() == [
        "LD_LIBRARY_PATH=/srv/rcuda-client/current/lib:/srv/rcuda-client/current/lib/cudnn",
        "RCUDA_DEVICE_COUNT=2",
        f"RCUDA_DEVICE_0={place}:0",
        f"RCUDA_DEVICE_1={place}:1",
        "RCUDAPROTO=IB",
    ]
    assert scene.host.told("bash -lc 'echo $RCUDA_DEVICE_1'") == f"{place}:1"
    again = scene.play(**changed)
    assert (again.code, again.changed()) == (0, []), again.output
