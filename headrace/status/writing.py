"""The document, from what was gathered and how things went until now. Pure."""

from dataclasses import dataclass

from headrace.status.document import VERSION, Decisions, Document, Login, Stack
from headrace.status.failures import failed_shown
from headrace.status.functions import functions_shown, listed, totals_of
from headrace.status.gpus import gpus_shown
from headrace.status.history import Followed, course_of, price_of
from headrace.status.ledger import cost_shown
from headrace.status.nodes import nodes_shown, pools_shown, tenant_shown, workers_shown
from headrace.status.sight import Sight


@dataclass(frozen=True, slots=True)
class Head:
    """What is the same in every document of one process."""

    instance: str
    name: str
    headrace: str
    runtime: str
    login: Login
    refresh_seconds: float

    @property
    def stack(self) -> Stack:
        """As the document has it."""
        return Stack(
            name=self.name,
            headrace=self.headrace,
            runtime=self.runtime,
            login=self.login,
            names_hidden=False,
            refresh_seconds=self.refresh_seconds,
        )


def written(head: Head, sight: Sight, known: Followed, now: float) -> Document:
    """The whole, with all names; its number is given when it comes out."""
    functions = functions_shown(sight, known.rates, now)
    history = known.history
    pools = sight.plan.pools if sight.plan is not None else ()
    return Document(
        version=VERSION,
        instance=head.instance,
        sequence=0,
        at=round(now, 3),
        stack=head.stack,
        sources=sight.sources,
        totals=totals_of(functions, sight),
        functions=listed(functions, known=sight.functions is not None),
        workers=workers_shown(sight.heard),
        nodes=nodes_shown(sight, history.runs),
        pools=pools_shown(sight),
        gpus=gpus_shown(sight.gpus),
        tenants=tuple(tenant_shown(each) for each in (sight.plan.tenants if sight.plan else ())),
        decisions=Decisions(total=history.decisions_total, items=history.decisions[::-1]),
        failed=failed_shown(sight.counts),
        course=course_of(history.points),
        cost=cost_shown(history.ledger, {pool.name: price_of(sight, pool.name) for pool in pools}),
    )
