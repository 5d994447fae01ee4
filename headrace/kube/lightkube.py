"""The API server itself, by the HTTP client that lightkube makes: documents in and out.

lightkube reads the configuration and the credentials (connecting.py). Its models are not used: Headrace's
values are its own, and an event of a pod (3.8 KB) took 0.11 ms as a document, 0.27 ms as lightkube's generic
resource.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random

import httpx2
from lightkube.core.exceptions import ConfigError

from headrace.kube import wire
from headrace.kube.asking import REVIEW, SELF_REVIEW, Greeting, Wish, review_of
from headrace.kube.connecting import CONNECT_SECONDS, connected
from headrace.kube.kinds import PODS, Kind
from headrace.kube.naming import check_unversioned, key_of, uid_of
from headrace.kube.port import EVERYTHING, Change, Event, Listing, Manifest, Selection
from headrace.kube.wire import Request
from headrace.model.errors import ChangedError, ConfigurationError, NotFoundError, TransientError
from headrace.model.labels import HEADRACE
from headrace.model.settings import KubernetesSettings
from headrace.model.troubles import Trouble

CALL_SECONDS = 4.0  # a call that is to be confirmed; under the margin that a lease of leadership leaves
LIST_SECONDS = 30.0  # one page of a list; thousands of pods take seconds on a busy server
WATCH_SECONDS = (240, 480)  # a watch's length, drawn, so that not all begin anew together
SILENCE_SECONDS = 150.0  # of a watch, after which it is broken: bookmarks come about every minute
_WRITING = {"fieldManager": HEADRACE, "fieldValidation": "Strict"}


class LightKube:
    """See the port. It belongs to one event loop; `close` it."""

    def __init__(self, client: httpx2.AsyncClient, *, chance: Random | None = None) -> None:
        self._client = client
        self._chance = chance or Random()  # noqa: S311  (spreads watches; guards nothing)

    @classmethod
    def of(cls, settings: KubernetesSettings, *, context: str = "") -> "LightKube":
        """By a kubeconfig or the pod's own account, without a connection yet. Raises ConfigurationError."""
        return cls(connected(settings, context=context))

    async def get(self, kind: Kind, name: str, *, namespace: str | None = None) -> Manifest:
        """See the port."""
        return await self._one(kind, wire.one("GET", kind, (namespace or "", name)))

    async def list(self, kind: Kind, selection: Selection = EVERYTHING) -> Listing:
        """See the port. Where the history does not reach over all pages, it is asked for in one."""
        try:
            return await self._pages(kind, selection, wire.PAGE)
        except ChangedError:
            return await self._pages(kind, selection, 0)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See the port."""
        check_unversioned(kind, manifest)
        namespace, name = key_of(manifest)
        about = wire.one("POST", kind, (namespace, name)).about
        path = wire.path_of(kind, namespace)
        return await self._one(kind, Request("POST", path, about, _WRITING, wire.named(manifest, kind)))

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See the port."""
        request = wire.one("PUT", kind, key_of(manifest))
        return await self._one(
            kind, Request("PUT", request.path, request.about, _WRITING, wire.named(manifest, kind))
        )

    async def apply(self, kind: Kind, manifest: Manifest, *, manager: str) -> Manifest:
        """See the port."""
        return await self._apply(kind, wire.one("PATCH", kind, key_of(manifest)), manifest, manager)

    async def apply_status(self, kind: Kind, manifest: Manifest, *, manager: str) -> Manifest:
        """See the port."""
        request = wire.one("PATCH", kind, key_of(manifest), "status")
        return await self._apply(kind, request, manifest, manager)

    async def patch(
        self, kind: Kind, name: str, change: Manifest, *, namespace: str | None = None
    ) -> Manifest:
        """See the port."""
        request = wire.one("PATCH", kind, (namespace or "", name))
        sent = Request("PATCH", request.path, request.about, _WRITING, change, wire.MERGE_PATCH)
        return await self._one(kind, sent)

    async def delete(
        self,
        kind: Kind,
        name: str,
        *,
        namespace: str | None = None,
        uid: str | None = None,
        version: str | None = None,
        grace_seconds: int | None = None,
    ) -> None:
        """See the port."""
        key = (namespace or "", name)
        await self._unless_gone(
            wire.deletion(kind, key, uid=uid, version=version, grace_seconds=grace_seconds)
        )

    async def evict(self, name: str, *, namespace: str, uid: str | None = None) -> None:
        """See the port.

        The pod is read first: of another pod's uid the server says nothing for ten seconds, trying again.
        """
        if uid is not None:
            await self._check_uid(name, namespace, uid)
        await self._unless_gone(wire.eviction((namespace, name), uid=uid))

    async def watch(self, kind: Kind, selection: Selection, version: str) -> AsyncGenerator[Event, None]:
        """See the port."""
        request = wire.watching(kind, selection, version, self._chance.randint(*WATCH_SECONDS))
        with _translated(request.about):
            async with self._watched(request) as answer:
                yield Event(Change.BOOKMARK, wire.bare({"metadata": {"resourceVersion": version}}, kind))
                rest = b""
                async for chunk in answer.aiter_bytes():
                    whole, rest = wire.lines(chunk, rest)
                    for line in whole:
                        yield wire.event(line, kind)

    async def greet(self) -> Greeting:
        """See asking.py."""
        answer = await self._answer(Request("GET", "version", "the API server's version"), CALL_SECONDS)
        version = wire.document(answer.content, "the API server's version")
        return Greeting(str(version.get("gitVersion", "")), wire.moment_of(answer.headers.get("Date", "")))

    async def may(self, wish: Wish, *, user: str = "") -> bool:
        """See asking.py."""
        about, path = f"the right to {wish.told}", REVIEW if user else SELF_REVIEW
        request = Request("POST", path, about, body=review_of(wish, user))
        told = wire.document(await self._call(request, CALL_SECONDS), about)
        return bool(told.get("status", {}).get("allowed", False))

    async def close(self) -> None:
        """See the port."""
        await self._client.aclose()

    async def _one(self, kind: Kind, request: Request) -> Manifest:
        return wire.bare(wire.document(await self._call(request, CALL_SECONDS), request.about), kind)

    async def _apply(self, kind: Kind, to: Request, manifest: Manifest, manager: str) -> Manifest:
        query = {**_WRITING, "fieldManager": manager, "force": "true"}
        body = wire.named(manifest, kind)
        return await self._one(kind, Request("PATCH", to.path, to.about, query, body, wire.APPLY_PATCH))

    async def _unless_gone(self, request: Request) -> None:
        try:
            await self._call(request, CALL_SECONDS)
        except NotFoundError:
            return

    async def _check_uid(self, name: str, namespace: str, uid: str) -> None:
        try:
            found = uid_of(await self.get(PODS, name, namespace=namespace))
        except NotFoundError:
            return
        if found != uid:
            raise ChangedError(f"Pod {namespace}/{name}: found uid {found}, asked for {uid}; read it anew")

    async def _pages(self, kind: Kind, selection: Selection, limit: int) -> Listing:
        items: list[Manifest] = []
        token = ""
        while True:
            request = wire.listing(kind, selection, limit=limit, token=token)
            page = wire.document(await self._call(request, LIST_SECONDS), request.about)
            items += [wire.bare(each, kind) for each in page.get("items") or ()]
            token = page["metadata"].get("continue", "")
            if not token:
                return Listing(sorted(items, key=key_of), page["metadata"]["resourceVersion"])

    async def _call(self, request: Request, seconds: float) -> bytes:
        """One call and its whole answer. Raises what the port says."""
        return (await self._answer(request, seconds)).content

    async def _answer(self, request: Request, seconds: float) -> httpx2.Response:
        with _translated(request.about):
            async with asyncio.timeout(seconds):
                answer = await self._client.send(self._built(request))
        _check(answer, request.about)
        return answer

    @asynccontextmanager
    async def _watched(self, request: Request) -> AsyncIterator[httpx2.Response]:
        async with asyncio.timeout(CALL_SECONDS):
            answer = await self._client.send(self._built(request, SILENCE_SECONDS), stream=True)
        try:
            if not answer.is_success:
                async with asyncio.timeout(CALL_SECONDS):
                    await answer.aread()
                _check(answer, f"the watch of {request.about}")
            yield answer
        finally:
            await answer.aclose()

    def _built(self, request: Request, silence_seconds: float | None = None) -> httpx2.Request:
        timeout = httpx2.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS, read=silence_seconds)
        return self._client.build_request(
            request.method,
            request.path,
            params=dict(request.query),
            content=request.content,
            headers={"Content-Type": request.content_type, "Accept": wire.JSON},
            timeout=timeout,
        )


def _check(answer: httpx2.Response, about: str) -> None:
    if not answer.is_success:
        try:
            said = wire.document(answer.content, about)
        except TransientError:
            said = {}
        raise wire.refusal(answer.status_code, said, about)


@contextmanager
def _translated(about: str) -> Iterator[None]:
    """The library's errors as the port's; the cause is kept."""
    try:
        yield
    except (ConfigError, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise ConfigurationError(
            f"{about}: {error}; correct the kubeconfig", trouble=Trouble.KUBECONFIG
        ) from error
    except (httpx2.TransportError, TimeoutError) as error:
        if _distrusts(error):
            raise ConfigurationError(
                f"{about}: {error}; correct the authority in the kubeconfig",
                trouble=Trouble.CLUSTER_UNTRUSTED,
            ) from error
        reason = str(error) or type(error).__name__
        raise TransientError(
            f"{about}: the API server does not answer ({reason}); try again later",
            trouble=Trouble.CLUSTER_AWAY,
        ) from error


def _distrusts(error: BaseException | None) -> bool:
    """Whether the server's certificate is the reason."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
