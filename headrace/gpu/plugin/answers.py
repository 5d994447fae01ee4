"""The kubelet's calls, answered: messages in and out, for each claim by itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from headrace.gpu.kubelet import dra_pb2
from headrace.gpu.plugin.cdi import device_id
from headrace.gpu.plugin.plan import Preparation, Reference
from headrace.gpu.plugin.preparing import Preparer
from headrace.manifests.gpu_slices import device_name
from headrace.model.errors import HeadraceError

Made = TypeVar("Made")

_log = logging.getLogger(__name__)


class Answers:
    """What the kubelet is told. A fault of one claim is told in its answer, and is none of the others'."""

    def __init__(self, preparer: Preparer) -> None:
        self._preparer = preparer

    async def prepare(
        self, request: dra_pb2.NodePrepareResourcesRequest, _: object
    ) -> dra_pb2.NodePrepareResourcesResponse:
        """NodePrepareResources."""
        answers = await asyncio.gather(*(self._prepared(each) for each in _references(request.claims)))
        return dra_pb2.NodePrepareResourcesResponse(claims=dict(answers))

    async def unprepare(
        self, request: dra_pb2.NodeUnprepareResourcesRequest, _: object
    ) -> dra_pb2.NodeUnprepareResourcesResponse:
        """NodeUnprepareResources."""
        answers = await asyncio.gather(*(self._unprepared(each) for each in _references(request.claims)))
        return dra_pb2.NodeUnprepareResourcesResponse(claims=dict(answers))

    async def _prepared(self, asked: Reference) -> tuple[str, dra_pb2.NodePrepareResourceResponse]:
        answer = dra_pb2.NodePrepareResourceResponse()
        found, answer.error = await _attempted(lambda: self._preparer.prepare(asked), asked, "prepared")
        if found is not None:
            answer.devices.extend(_devices(found))
        return asked.uid, answer

    async def _unprepared(self, asked: Reference) -> tuple[str, dra_pb2.NodeUnprepareResourceResponse]:
        _, fault = await _attempted(lambda: self._preparer.unprepare(asked), asked, "unprepared")
        return asked.uid, dra_pb2.NodeUnprepareResourceResponse(error=fault)


async def _attempted(
    step: Callable[[], Awaitable[Made]], asked: Reference, word: str
) -> tuple[Made | None, str]:
    """What a step made, or its fault for the kubelet, which shows it at the pod and asks again."""
    extra = {"action": f"gpu.{word}", "claim": asked.uid}
    try:
        made = await step()
    except (HeadraceError, OSError) as error:
        _log.warning("%s is not %s: %s", asked.told, word, error, extra=extra)
        return None, str(error)
    except Exception as error:  # noqa: BLE001  (a call's top: the kubelet must hear of every fault)
        _log.exception("%s is not %s", asked.told, word, extra=extra)
        return None, f"unexpected: {error!r}"
    _log.info("%s is %s", asked.told, word, extra=extra)
    return made, ""


def _references(claims: Iterable[dra_pb2.Claim]) -> list[Reference]:
    return [Reference(each.namespace, each.name, each.uid) for each in claims]


def _devices(found: Preparation) -> Iterable[dra_pb2.Device]:
    for each in found.granted:
        yield dra_pb2.Device(
            request_names=[each.request],
            pool_name=each.server,
            device_name=device_name(each.number),
            cdi_device_ids=[device_id(found.uid, each.request)],
            share_id=each.share or None,
        )
