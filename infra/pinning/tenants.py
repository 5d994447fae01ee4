"""What Pulumi calls to look whether a tenant that is taken out of a stack leaves anything behind.

Nobody would let go of its functions and buckets afterwards: the services forget the tenant, and its namespace
would be there for ever, on its way out.
"""

import asyncio
from collections.abc import Sequence

from pulumi import dynamic

from headrace.kube.kinds import BUCKETS, FUNCTIONS
from headrace.kube.port import Selection
from headrace.model.errors import HeadraceError
from infra.noted import Noting, Properties
from infra.pinning.providing import CONTEXT, KUBECONFIG
from infra.reaching import reached

TENANTS = "tenants"


class Leavings(Noting):
    """Inputs and outputs: kubeconfig, context, tenants (names). It looks before all else, as a Pin."""

    noted = (KUBECONFIG, CONTEXT, TENANTS)

    def read_left(self, props: Properties, tenant: str) -> Sequence[str]:
        """Its functions and buckets, as kubectl names them. Raises what the port raises."""
        return asyncio.run(_left(props[KUBECONFIG], props[CONTEXT], tenant))

    def id_of(self, _props: Properties) -> str:
        return "tenants"

    def check(self, _olds: Properties, news: Properties) -> dynamic.CheckResult:
        taken_out = sorted(set(_olds.get(TENANTS) or ()) - set(news[TENANTS]))
        faults = [fault for each in taken_out if (fault := self._fault(news, each))]
        return dynamic.CheckResult(news, [dynamic.CheckFailure("", each) for each in faults])

    def _fault(self, props: Properties, tenant: str) -> str:
        """Why it can't be taken out; empty: nothing is left."""
        try:
            left = self.read_left(props, tenant)
        except HeadraceError as error:
            return f"tenants.{tenant}: found it taken out, and its namespace can't be looked at: {error}"
        return told(tenant, left) if left else ""


def told(tenant: str, left: Sequence[str]) -> str:
    """What is left of a tenant, in a message."""
    return (
        f"tenants.{tenant}: found it taken out with {', '.join(left)} in its namespace, allowed with nothing "
        "there, as nobody would let go of these afterwards; put it back, and first destroy the stack of its "
        f"functions, or `kubectl delete functions,buckets --all --namespace {tenant}`"
    )


async def _left(kubeconfig: str, context: str, tenant: str) -> list[str]:
    async with reached(kubeconfig, context) as kube:
        found = [(kind, await kube.list(kind, Selection(namespace=tenant))) for kind in (FUNCTIONS, BUCKETS)]
    return [f"{kind.plural}/{each['metadata']['name']}" for kind, listing in found for each in listing.items]
