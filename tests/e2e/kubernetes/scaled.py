"""Headrace's services as processes on a control plane in a box; kwok plays nodes, one process plays pods.

What is simulated: kubelets (kwok) and the containers of worker pods (tests.e2e.kubernetes.player). Real are
the API server, scheduler, controllers, each service with a stack's rights, the queue, the store, and every
step of a worker but its handler.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from headrace.files.whole import write_private
from headrace.kube.election import holder_of
from headrace.local.process import Process, answers
from headrace.manifests.admission import admission
from headrace.manifests.definitions import definitions
from headrace.model import labels
from headrace.model.pool import Driver
from headrace.model.settings import KubernetesSettings, Settings, SidecarSettings
from infra.access import of_service
from infra.manifests.services import MODULES, account, roles
from tests.e2e.functions import RESULTS, UPLOADS, Shape
from tests.e2e.harness import Options, System
from tests.e2e.kubernetes.player import FUNCTION
from tests.e2e.supervisor import Keeper
from tests.toolchain.cluster.box import Box

PLATFORM_SPACE, SPACE, POOL = "headrace", "headrace-functions", "simulated"
WORKERS_A_NODE = 4
MILLICORES = 900  # of a worker; its sidecar has 100


@dataclass(frozen=True, slots=True)
class Size:
    """How many files, of how many seconds each, for so many nodes at most, of how many seconds a boot.

    A node that takes half as long again counts as failed: the boot is one of kwok under this load, on a busy
    machine. `held`: no file is worked to its end before the gate is opened, so that there is work for all
    workers at once however slowly they come; without it there must be enough files for that.
    """

    files: int
    seconds: float
    nodes: int
    boot_seconds: int
    lease_seconds: float  # of a task; the one process that plays all workers must not stand still for longer
    held: bool

    @property
    def workers(self) -> int:
        return WORKERS_A_NODE * self.nodes

    @property
    def function(self) -> dict[str, Any]:
        """The Function object of the work."""
        return {
            "apiVersion": labels.API_VERSION,
            "kind": "Function",
            "metadata": {"name": FUNCTION, "namespace": SPACE},
            "spec": {
                "image": "localhost/played:1",
                "run": {"handler": "played:Work"},
                "input": [{"bucket": UPLOADS, "prefix": f"{FUNCTION}/"}],
                "output": [{"bucket": RESULTS, "prefix": f"{FUNCTION}/"}],
                "resources": {"cpu": f"{MILLICORES}m", "memory": "256Mi", "ephemeralStorage": "64Mi"},
                "batch": {"maxFiles": 1},
                "delivery": {"timeoutSeconds": 120, "attempts": 2},
                "scale": {"maxWaitSeconds": 0, "idleSeconds": 5, "maxWorkers": self.workers},
            },
        }

    @property
    def pool(self) -> dict[str, Any]:
        """The NodePool object."""
        return {
            "apiVersion": labels.API_VERSION,
            "kind": "NodePool",
            "metadata": {"name": POOL},
            "spec": {
                "driver": "kwok",
                "capacity": {"cpu": str(WORKERS_A_NODE), "memory": "16Gi"},
                "bootSeconds": self.boot_seconds,
                "maxNodes": self.nodes,
            },
        }


class ScaledSystem(System):
    """Started by `with`. Two receivers, two scalers, a controller; no worker but those in pods."""

    def __init__(self, folder: Path, size: Size, box: Box, *, seed: int) -> None:
        self.size = size
        self.box = box
        options = Options(
            seed=seed,
            functions={FUNCTION: Shape.SINGLE},
            lease_seconds=size.lease_seconds,
            listing_seconds=max(5.0, size.files / 200),
        )
        super().__init__(folder, options)

    def _settings(self, *, nats_port: int, receiver_port: int) -> Settings:
        plain = super()._settings(nats_port=nats_port, receiver_port=receiver_port)
        return plain.model_copy(update={"kubernetes": self._place(self.box.kubeconfig)})

    def _place(self, user: Path) -> KubernetesSettings:
        return KubernetesSettings(
            namespace=SPACE,
            platform_namespace=PLATFORM_SPACE,
            kubeconfig=str(user),
            sidecar=SidecarSettings(image="localhost/headrace:1"),
        )

    def _services(self) -> dict[str, list[Keeper]]:
        self._ports_of = {
            "receiver": (self.settings.receiver.port, next(self._ports)),
            "controller": (next(self._ports),),
            "scaler": (next(self._ports), next(self._ports)),
        }
        kept = {
            service: [
                self._keeper(f"{service}-{port}", partial(self._start_service, service, port))
                for port in ports
            ]
            for service, ports in self._ports_of.items()
        }
        return {**kept, "player": [self._keeper("player", self._start_player)]}

    @property
    def _receiver_ports(self) -> Sequence[int]:
        return self._ports_of["receiver"]

    def _write(self) -> None:
        for space in (PLATFORM_SPACE, SPACE):
            self.box.kubectl("create", "namespace", space)
        self.box.apply(*(dict(each) for each in (*definitions(), *admission())))
        for service in self._ports_of:
            access = of_service(service, [Driver.KWOK])
            self.box.apply(
                account(service, PLATFORM_SPACE),
                *roles(service, access, platform=PLATFORM_SPACE, functions=(SPACE,)),
            )
            user = self.box.kubeconfig_of(f"system:serviceaccount:{PLATFORM_SPACE}:headrace-{service}")
            for port in self._ports_of[service]:
                write_private(self._settings_of(service, port), self._told(user, port).to_json())
        write_private(self.settings_file, self.settings.to_json())
        (self.folder / "function.json").write_text(json.dumps(self.size.function))
        (self.folder / "played").mkdir()
        if not self.size.held:
            self.open_gate()

    def _settings_of(self, service: str, port: int) -> Path:
        return self.folder / f"{service}-{port}.json"

    def _told(self, user: Path, port: int) -> Settings:
        """The settings of a service; only receivers read the port in it."""
        receiver = self.settings.receiver.model_copy(update={"port": port})
        return self.settings.model_copy(update={"receiver": receiver, "kubernetes": self._place(user)})

    def _start(self) -> None:
        super()._start()
        self.box.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        self.box.apply(self.size.function)

    @property
    def _gate(self) -> Path:
        return self.folder / "gate"

    def open_gate(self) -> None:
        """From now on files are worked to their end."""
        self._gate.touch()

    def give_nodes(self) -> None:
        """From now on there may be nodes."""
        self.box.apply(self.size.pool)

    def _start_service(self, service: str, port: int) -> Process:
        """Returns when it listens."""
        arguments = ["--settings", str(self._settings_of(service, port))]
        if service != "receiver":
            arguments += ["--port", str(port)]
        process = self._start_module(f"{service}-{port}", MODULES[service], *arguments, settings=False)
        process.wait_until(lambda: answers(port), seconds=60)
        return process

    def _start_player(self) -> Process:
        return self._start_module(
            "player", "tests.e2e.kubernetes.player",
            "--function", str(self.folder / "function.json"), "--journal", str(self.work.journal),
            "--work", str(self.folder / "played"), "--seconds", str(self.size.seconds),
            "--gate", str(self._gate),
        )  # fmt: skip

    def usurper(self) -> Keeper:
        """A third scaler, which acts whoever leads; not started yet."""
        settings = self._settings_of("scaler", self._ports_of["scaler"][0])
        return self._keeper(
            "usurper",
            lambda: self._start_module(
                "usurper", "tests.e2e.kubernetes.usurper", "--settings", str(settings), settings=False
            ),
        )

    def leader(self, service: str, lease: str) -> Keeper:
        """The process of a service that holds its lease. Raises LookupError where none is known to."""
        found = self.box.get("lease", lease, "-n", PLATFORM_SPACE)
        who = holder_of(found)
        for keeper in self.keepers[service]:
            log = self.folder / "logs" / f"{keeper.process_name}.log"
            if who and f'"{who}"' in log.read_text():
                return keeper
        raise LookupError(f"no {service} leads; its lease says {who!r}")

    @property
    def finished(self) -> int:
        """Files that a handler has worked so far."""
        try:
            return self.work.journal.read_bytes().count(b'"what": "finish"')
        except FileNotFoundError:
            return 0
