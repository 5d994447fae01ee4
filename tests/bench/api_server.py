"""What benches on Kubernetes ask of an API server: how often it was asked, and when something holds."""

import re
import time
from collections.abc import Callable

from headrace.kube.mirror import Mirror
from tests.toolchain.cluster.box import Box


def calls(box: Box) -> int:
    """Requests that it has answered so far, those of Kubernetes' own parts included."""
    metrics = box.kubectl("get", "--raw", "/metrics")
    return sum(int(float(n)) for n in re.findall(r"^apiserver_request_total\{.*\} (\S+)$", metrics, re.M))


async def until(mirror: Mirror, holds: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Look at each change. Raises TimeoutError; `what` says what is wrong then."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} after {seconds:g} s; there are {len(mirror.items)} objects")
        await mirror.changed(1.0)
