"""A running box as tests use it."""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.toolchain.cluster import finding, identities, kubeconfig, standing
from tests.toolchain.cluster.fakes import fake_node
from tests.toolchain.cluster.place import Place
from tests.toolchain.running import ToolchainError

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
COMMAND_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Box:
    """`node` is the real node's name, empty for a control plane; `host` is this machine, seen from pods."""

    place: Place
    bin: Path
    api: str
    node: str = ""
    host: str = ""

    @classmethod
    def at(cls, place: Place) -> "Box":
        """The one that runs there. Raises ToolchainError where none is ready."""
        found = standing.read(place)
        if found is None or found.phase != "ready" or not finding.keepers(place):
            raise ToolchainError(f"no box is ready in {place.root}; its logs: {place.logs}")
        facts = found.facts
        return cls(place, Path(facts.bin), facts.api, facts.node, facts.host)

    @property
    def kubeconfig(self) -> Path:
        """Of cluster-admin."""
        return self.place.admin

    @property
    def ends(self) -> dict[str, int]:
        """How often each program ended since the box was up; those that never did are left out."""
        found = standing.read(self.place)
        return dict(found.ends) if found else {}

    def kubectl(self, *arguments: str, stdin: str | None = None, as_: Path | None = None) -> str:
        """What it prints; as cluster-admin, or by another kubeconfig. Raises ToolchainError."""
        command = [str(self.bin / "kubectl"), f"--kubeconfig={as_ or self.kubeconfig}", *arguments]
        return _output(command, stdin=stdin)

    def get(self, *arguments: str) -> Any:
        """`kubectl get … -o json`, read."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Raises ToolchainError with the API server's reason."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=_list(manifests))

    def delete(self, *manifests: dict[str, Any]) -> None:
        """Those of them that are there."""
        self.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=_list(manifests))

    def kubeconfig_of(self, user: str, *groups: str) -> Path:
        """One that logs in as this user of these groups, by a certificate; RBAC decides what it may do."""
        authority = identities.authority_of(self.place)
        pair = authority.issue(user, groups, (), datetime.now(UTC))
        content = kubeconfig.document(self.api, authority.pair.certificate, pair, user)
        path = self.place.kubeconfigs / "users" / f"{user.replace(':', '-')}.kubeconfig"
        kubeconfig.write(path, content)
        return path

    def fake_nodes(self, count: int, *, pool: str = "", prefix: str = "fake", **shape: Any) -> list[str]:
        """Nodes PREFIX-0 … that kwok plays, ready within seconds; `shape`: see fakes.fake_node."""
        names = [f"{prefix}-{number}" for number in range(count)]
        self.apply(*(fake_node(name, pool=pool, **shape) for name in names))
        return names

    def load_image(self, archive: Path) -> None:
        """Give the real node an image from an OCI archive; its name is inside. Raises ToolchainError."""
        images = (f"--address={self.place.containerd}", "--namespace=k8s.io", "images", "import")
        _output([str(self.bin / "ctr"), *images, str(archive)])

    def kill(self, program: str) -> None:
        """SIGKILL to one program, by name; the keeper starts it again. Raises ToolchainError."""
        found = finding.children(self.place, program)
        if not found:
            raise ToolchainError(f"no {program} runs in the box {self.place.root}")
        for pid in found:
            os.kill(pid, signal.SIGKILL)


def _list(manifests: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})


def _output(command: Sequence[str], *, stdin: str | None = None) -> str:
    environ = {name: value for name, value in os.environ.items() if name.upper() not in PROXIES}
    done = subprocess.run(
        command,
        input=stdin or "",
        capture_output=True,
        text=True,
        env=environ,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ToolchainError(f"{' '.join(command)}\nfailed with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
