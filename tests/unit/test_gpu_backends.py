"""What containers get of each backend: golden environments and mounts, for one and several devices."""

import pytest

from headrace.gpu.backends.lupine import Lupine
from headrace.gpu.backends.port import Mount, RemoteBackend, Seat
from headrace.gpu.backends.rcuda import Rcuda
from headrace.gpu.backends.stub import Stub
from headrace.gpu.backends.table import backends
from headrace.gpu.plugin.cdi import device_id, specification
from headrace.model.gpu_server import Backend
from headrace.placement.remoting import FACTS

GIB = 2**30


def seat(server: str, number: int, port: int = 8308, session: int = 0) -> Seat:
    address = {"a": "10.0.0.11", "b": "gpu2.lab"}[server]
    return Seat(server, address, port, number, 4 * GIB, f"uid.{session}")


RCUDA = {
    "HEADRACE_GPU_BACKEND": "rcuda",
    "NVIDIA_VISIBLE_DEVICES": "void",
    "LD_LIBRARY_PATH": "/opt/headrace/gpu/rcuda/lib:/opt/headrace/gpu/rcuda/lib/cudnn",
}
LUPINE = {
    "HEADRACE_GPU_BACKEND": "lupine",
    "NVIDIA_VISIBLE_DEVICES": "void",
    "LD_LIBRARY_PATH": "/opt/headrace/gpu/lupine/lib",
    "LD_PRELOAD": "/opt/headrace/gpu/lupine/lib/libcuda.so.1",
    "LUPINE_DISABLE_LOCAL": "1",
    "LUPINE_SESSION": "uid.0",
}
TWO_HOSTS = [seat("a", 0), seat("a", 1, session=1), seat("b", 3, 9000, session=2)]


@pytest.mark.parametrize(
    ("backend", "seats", "environment"),
    [
        (
            Rcuda(),
            [seat("a", 1)],
            {
                **RCUDA,
                "RCUDA_DEVICE_COUNT": "1",
                "RCUDA_DEVICE_0": "10.0.0.11:1",
                "HEADRACE_GPU_SERVERS": "10.0.0.11:8308",
            },
        ),
        (
            Rcuda(protocol="IB"),
            TWO_HOSTS,
            {
                **RCUDA,
                "RCUDA_DEVICE_COUNT": "3",
                "RCUDA_DEVICE_0": "10.0.0.11:0",
                "RCUDA_DEVICE_1": "10.0.0.11:1",
                "RCUDA_DEVICE_2": "gpu2.lab@9000:3",
                "RCUDAPROTO": "IB",
                "HEADRACE_GPU_SERVERS": "10.0.0.11:8308,gpu2.lab:9000",
            },
        ),
        (
            Lupine(),
            [seat("a", 0, 14833)],
            {**LUPINE, "LUPINE_SERVER": "10.0.0.11:14833", "HEADRACE_GPU_SERVERS": "10.0.0.11:14833"},
        ),
        (
            Lupine(),
            [seat("a", 0, 14833), seat("a", 0, 14834, session=1), seat("b", 0, 14833, session=2)],
            {
                **LUPINE,
                "LUPINE_SERVER": "10.0.0.11:14833,10.0.0.11:14834,gpu2.lab:14833",
                "HEADRACE_GPU_SERVERS": "10.0.0.11:14833,10.0.0.11:14834,gpu2.lab:14833",
            },
        ),
        (
            Stub(),
            TWO_HOSTS,
            {
                "HEADRACE_GPU_BACKEND": "stub",
                "NVIDIA_VISIBLE_DEVICES": "void",
                "PYTHONPATH": "/opt/headrace/gpu/stub",
                "HEADRACE_STUB_DEVICES": "10.0.0.11:8308/uid.0,10.0.0.11:8308/uid.1,gpu2.lab:9000/uid.2",
                "HEADRACE_GPU_SERVERS": "10.0.0.11:8308,gpu2.lab:9000",
            },
        ),
    ],
)
def test_a_container_gets_exactly_these_variables(backend, seats, environment):
    assert dict(backend.injection(seats).environment) == environment


@pytest.mark.parametrize(
    ("backend", "mount"),
    [
        (Rcuda("/srv/rcuda"), Mount("/srv/rcuda", "/opt/headrace/gpu/rcuda")),
        (Lupine(), Mount("/opt/lupine", "/opt/headrace/gpu/lupine")),
        (Stub(), Mount("/var/lib/headrace/gpu/stub", "/opt/headrace/gpu/stub")),
    ],
)
def test_a_container_sees_the_client_tree_and_nothing_else_of_the_node(backend: RemoteBackend, mount: Mount):
    assert backend.injection([seat("a", 0)]).mounts == (mount,)


def test_the_specification_is_what_the_container_runtime_reads():
    injection = Rcuda().injection([seat("a", 1)])
    assert specification("u-1", ["gpu"], injection) == {
        "cdiVersion": "0.6.0",
        "kind": "gpu.headrace.dev/claim",
        "devices": [
            {
                "name": "u-1-gpu",
                "containerEdits": {
                    "env": [
                        "HEADRACE_GPU_BACKEND=rcuda",
                        "HEADRACE_GPU_SERVERS=10.0.0.11:8308",
                        "LD_LIBRARY_PATH=/opt/headrace/gpu/rcuda/lib:/opt/headrace/gpu/rcuda/lib/cudnn",
                        "NVIDIA_VISIBLE_DEVICES=void",
                        "RCUDA_DEVICE_0=10.0.0.11:1",
                        "RCUDA_DEVICE_COUNT=1",
                    ],
                    "mounts": [
                        {
                            "hostPath": "/opt/rcuda",
                            "containerPath": "/opt/headrace/gpu/rcuda",
                            "options": ["ro", "rbind"],
                        }
                    ],
                },
            }
        ],
    }
    assert device_id("u-1", "gpu") == "gpu.headrace.dev/claim=u-1-gpu"


def test_every_backend_has_its_class_and_its_facts():
    assert set(backends()) == set(FACTS) == set(Backend)
