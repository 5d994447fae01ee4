"""Which cluster it is: the uid of its namespace kube-system, which no two share and none ever changes."""

import asyncio

from headrace.kube.kinds import NAMESPACES
from headrace.kube.naming import uid_of
from headrace.kube.port import Kube
from infra.reaching import reached

SYSTEM = "kube-system"


def uid_of_cluster(kubeconfig: str, context: str) -> str:
    """Raises ConfigurationError where the API server refuses, TransientError where it does not answer."""
    return asyncio.run(_uid(kubeconfig, context))


async def _uid(kubeconfig: str, context: str) -> str:
    async with reached(kubeconfig, context) as kube:
        return await uid_on(kube)


async def uid_on(kube: Kube) -> str:
    """Of an API server that is reached already."""
    return uid_of(await kube.get(NAMESPACES, SYSTEM))
