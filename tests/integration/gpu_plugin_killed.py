"""The node's plugin with a death in it: SIGKILL to itself at the n-th point of preparing, once.

    python -m tests.integration.gpu_plugin_killed POINT MARK KUBELET CDI STATE KUBECONFIG PORT

A point lies before and after each call of a port: 0 is before the first, 1 after it. MARK is a file that says
that it has died; where that is there already, it lives on. Without a point (-1) MARK gets those it passes.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.gpu.backends.stub import Stub
from headrace.gpu.backends.table import Backends, backends
from headrace.gpu.plugin.__main__ import Place, lay_out_stub, serve
from headrace.gpu.plugin.cdi import CdiFolder
from headrace.gpu.plugin.checkpoint import Checkpoint
from headrace.gpu.plugin.preparing import Preparer
from headrace.kube.lightkube import LightKube
from headrace.logs.json_lines import configure_logging
from headrace.model.settings import KubernetesSettings


@dataclass
class Fate:
    """Counts points, and ends this process at one of them."""

    point: int
    mark: Path
    passed: list[str] = field(default_factory=list)

    def pass_by(self, name: str) -> None:
        number = len(self.passed)
        self.passed.append(name)
        if number == self.point and not self.mark.exists():
            self.mark.write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.point < 0:
            self.mark.write_text("\n".join(self.passed))


class Deadly:
    """A port whose calls may be the last."""

    def __init__(self, name: str, port: Any, fate: Fate) -> None:
        self._name, self._port, self._fate = name, port, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not asyncio.iscoroutinefunction(found) or name == "probe":
            return found

        async def called(*arguments: Any, **named: Any) -> Any:
            self._fate.pass_by(f"before {self._name}.{name}")
            result = await found(*arguments, **named)
            self._fate.pass_by(f"after {self._name}.{name}")
            return result

        return called


async def main(fate: Fate, place: Place, kubeconfig: str, port: int) -> None:
    kube = LightKube.of(KubernetesSettings(namespace="", platform_namespace="", kubeconfig=kubeconfig))
    found = backends(stub=Stub(str(place.state / "stub")))
    deadly: Backends = {kind: Deadly("server", each, fate) for kind, each in found.items()}
    parts: Mapping[str, Any] = {
        "kube": kube, "books": Checkpoint(place.state / "checkpoint.json"), "specs": CdiFolder(place.cdi)
    }  # fmt: skip
    wrapped = {name: Deadly(name, each, fate) for name, each in parts.items()}
    preparer = Preparer(wrapped["kube"], deadly, wrapped["books"], wrapped["specs"])
    await serve(place, preparer, found, port)


if __name__ == "__main__":
    point, mark, kubelet, cdi, state, kubeconfig, port = sys.argv[1:]
    configure_logging(())
    Path(state).mkdir(parents=True, exist_ok=True)
    lay_out_stub(Path(state) / "stub")
    where = Place(Path(kubelet), Path(cdi), Path(state))
    asyncio.run(main(Fate(int(point), Path(mark)), where, kubeconfig, int(port)))
