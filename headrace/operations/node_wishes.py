"""Whether a cluster's node may be used, as people wish: in its object, in its pool's where it has none."""

from contextlib import suppress
from typing import Any

from headrace.kube.kinds import NODE_POOLS, NODES
from headrace.kube.port import Kube, Selection
from headrace.model import labels
from headrace.model.errors import NotFoundError


async def set_enabled(kube: Kube, node: str, pool: str, *, enabled: bool) -> None:
    """Say it of the node that the scaler knows by this name; `pool` is empty where that is not known.

    Raises NotFoundError for a node that has no object, where its pool is not known; and what the port raises.
    """
    try:
        await kube.patch(NODES, await _object_of(kube, node), _wish(enabled=enabled))
    except NotFoundError:
        if not pool:
            raise
        await kube.patch(NODE_POOLS, pool, _wish_of_absent(node, _word(enabled=enabled)))
    else:
        with suppress(NotFoundError):
            await kube.patch(NODE_POOLS, pool, _wish_of_absent(node, None))


async def _object_of(kube: Kube, node: str) -> str:
    """The name of a node's object: a cloud's bears another, and says by a label which node it is."""
    found = (await kube.list(NODES, Selection(labels={labels.NODE: node}))).items
    return str(found[0]["metadata"]["name"]) if found else node


def _wish(*, enabled: bool) -> dict[str, Any]:
    """The change of a node that says whether it may be used."""
    return {"metadata": {"annotations": {labels.ENABLED: _word(enabled=enabled)}}}


def _wish_of_absent(node: str, word: str | None) -> dict[str, Any]:
    """The same of a node that has no object, as a change of its pool; None: the node's own object says it."""
    return {"metadata": {"annotations": {labels.enabled_of(node): word}}}


def _word(*, enabled: bool) -> str:
    """As an annotation says it."""
    return "true" if enabled else "false"
