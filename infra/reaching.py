"""The API server that a stack names, for what Pulumi's provider does not do. Nothing ambient counts."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from headrace.files.whole import write_private
from headrace.kube.lightkube import LightKube
from headrace.kube.port import Kube
from headrace.model.settings import KubernetesSettings
from infra import kubeconfig


@asynccontextmanager
async def reached(given: str, context: str) -> AsyncIterator[Kube]:
    """By a kubeconfig's path or content, and a context in it. Raises ConfigurationError."""
    with _file(kubeconfig.checked(given, context)) as path:
        # Its namespaces are the caller's matter.
        settings = KubernetesSettings(namespace="", platform_namespace="", kubeconfig=str(path))
        kube = LightKube.of(settings, context=context)
        try:
            yield kube
        finally:
            await kube.close()


@contextmanager
def _file(given: str) -> Iterator[Path]:
    """A file with it, which is gone afterwards where it was made for this."""
    if not kubeconfig.is_content(given):
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="headrace-") as folder:
        path = Path(folder, "kubeconfig")
        write_private(path, given.encode())
        yield path
