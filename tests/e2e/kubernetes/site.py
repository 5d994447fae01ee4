"""The platform and its functions on a cluster in a box, deployed as a person does: by Pulumi's commands."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import urlsplit

import yaml

from headrace.catalog.folder import FILE_NAME
from headrace.model.settings import Settings
from tests.infra.project import Project, projects
from tests.toolchain.cluster.box import Box
from tests.toolchain.images.store import Images
from tests.toolchain.running import ToolchainError

PLATFORM, FUNCTIONS = "headrace", "headrace-functions"
LOCAL_POOL = "local"
NO_POOLS: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
SERVERS = {"nats": "headrace-test-nats", "seaweedfs": "headrace-test-seaweedfs"}
PATIENCE_SECONDS = 180.0
IDLE_SECONDS = 5
GONE = {"onDelete": "delete"}
COPY = "-remote"  # what a copy's name has behind its origin's, whose image it runs in


def wait_until(holds: Callable[[], Any], what: str, *, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := holds():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.25)


@dataclass(frozen=True, slots=True)
class Site:
    """A box, the two projects with their stacks, and images by name."""

    box: Box
    platform: Project
    functions: Project
    images: Mapping[str, str]
    folder: Path

    def configure(
        self, *functions: str, pools: Mapping[str, Mapping[str, Any]] = NO_POOLS, **values: Any
    ) -> None:
        """What a person writes into the two stacks' files here. `pools`: beside the node's own."""
        cluster = {"kubeconfig": str(self.box.kubeconfig), "context": "box"}
        servers = {name: self.images[image] for name, image in SERVERS.items()}
        always = {"driver": "static", "capacity": {"cpu": "2", "memory": "8Gi"}, "minNodes": 1, "maxNodes": 1}
        name_server = urlsplit(self.box.api).hostname  # a process of the box, no pod of kube-system
        self.platform.configure(
            **cluster,
            images={"headrace": self.images["headrace"], **servers},
            pools={LOCAL_POOL: always, **pools},
            network={"dns": [f"{name_server}/32"]},
            **values,
        )
        self.functions.configure(
            **cluster,
            platform="organization/headrace/test",
            functions=list(functions),
            images={name: self.images[name.removesuffix(COPY)] for name in functions},
        )

    def get(self, kind: str, name: str = "", namespace: str = FUNCTIONS) -> Any:
        """An object, or the items of a list; None where there is no such object."""
        try:
            found = self.box.get(kind, *filter(None, [name]), f"--namespace={namespace}")
        except ToolchainError:
            if name:
                return None
            raise
        return found if name else found["items"]

    def status(self, function: str) -> Mapping[str, Any]:
        """The status of a Function object; empty where there is none."""
        found = self.get("functions", function) or {}
        return found.get("status", {})

    def workers(self, function: str) -> list[dict[str, Any]]:
        """Its worker pods."""
        return [
            pod
            for pod in self.get("pods")
            if pod["metadata"]["labels"].get("headrace.dev/function") == function
        ]

    def settings(self, reader: str) -> Settings:
        """What a service is told, read with the rights of the box's owner."""
        namespace = FUNCTIONS if reader == "worker" else PLATFORM
        data = self.get("secrets", f"headrace-{reader}", namespace)["data"]["settings.json"]
        return Settings.from_json(base64.b64decode(data))

    def destroy_with_data(self, *buckets: str) -> None:
        """Both stacks go, and what their buckets hold: by the flags that docs/deploy.md tells."""
        self.functions.configure(buckets=dict.fromkeys(buckets, GONE))
        self.functions.up()
        self.functions.destroy()
        self.platform.configure(platformBucket=GONE)
        self.platform.up()
        self.platform.destroy()

    @contextmanager
    def connected(self) -> Iterator["Commands"]:
        """`headrace connect` runs while the block does."""
        state, log = self.folder / f"connected-{time.monotonic_ns()}", self.folder / "connect.log"
        with log.open("ab") as output:
            process = self.begun("connect", "--state", str(state), output=output)
        try:
            wait_until(
                lambda: (state / "settings.json").exists() or process.poll() is not None,
                "connect",
                seconds=60,
            )
            assert process.poll() is None, log.read_text()[-2000:]
            wait_until((state / "functions").is_dir, "functions are followed", seconds=30)
            yield Commands(state)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)

    def begun(self, *arguments: str, output: IO[bytes]) -> "subprocess.Popen[bytes]":
        """A command of `headrace` on the cluster, by its kubeconfig."""
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "headrace"), *arguments,
             "--kubeconfig", str(self.box.kubeconfig)],
            stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": f"{self.box.bin}:{os.environ['PATH']}"},
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of `headrace` on a connected stack."""

    state: Path

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints on stdout."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / "headrace"), *arguments, "--state", str(self.state)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Its JSON document."""
        return json.loads(self.run(*arguments, "--json"))


def loaded(box: Box, images: Images, names: Iterable[str]) -> dict[str, str]:
    """Give the box's node these images; their references by name."""
    found = {name: images[name] for name in names}
    for image in found.values():
        box.load_image(image.archive)
    return {name: image.reference for name, image in found.items()}


def site_on(box: Box, images: Mapping[str, str], folder: Path) -> Site:
    """The two projects for a box; nothing is up yet."""
    box.kubectl("label", "node", box.node, f"headrace.dev/pool={LOCAL_POOL}", "--overwrite")
    platform, functions = projects(folder)
    return Site(box, platform, functions, images, folder)


def give_up_idle_workers_soon(functions: Project, name: str) -> None:
    """Put a copy in place of the checkout's function: a test does not wait for its idleSeconds, a minute."""
    folder = functions.folder / name
    source = folder.resolve()
    folder.unlink()
    shutil.copytree(source, folder)
    _rewrite(folder, name, {})


def copy_function(functions: Project, name: str, copy: str, **spec: Any) -> None:
    """The same function once more, under another name and prefix, with other fields of its spec."""
    folder = functions.folder / copy
    shutil.copytree((functions.folder / name).resolve(), folder)
    _rewrite(folder, copy, {"input": [{"bucket": "uploads", "prefix": f"{copy}/"}], **spec})


def _rewrite(folder: Path, name: str, spec: Mapping[str, Any]) -> None:
    document = yaml.safe_load((folder / FILE_NAME).read_text())
    document["metadata"]["name"] = name
    document["spec"].setdefault("scale", {})["idleSeconds"] = IDLE_SECONDS
    document["spec"] |= spec
    (folder / FILE_NAME).write_text(yaml.safe_dump(document))
