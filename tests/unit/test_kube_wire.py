"""Requests and answers of the API server as the adapter writes and reads them, at the wire."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kube import wire
from headrace.kube.connecting import connected
from headrace.kube.kinds import FUNCTIONS, NODES, PODS, Kind
from headrace.kube.lightkube import LightKube
from headrace.kube.port import Change, Selection
from headrace.model.errors import (
    ChangedError,
    ConfigurationError,
    ExistsError,
    HeadraceError,
    NotFoundError,
    TransientError,
)
from headrace.model.settings import KubernetesSettings
from tests.toolchain.cluster.certificates import Authority


@pytest.mark.parametrize(
    ("kind", "namespace", "below", "path"),
    [
        (PODS, "", (), "api/v1/pods"),
        (PODS, "s", ("a", "eviction"), "api/v1/namespaces/s/pods/a/eviction"),
        (NODES, "", ("n1",), "api/v1/nodes/n1"),
        (FUNCTIONS, "s", ("f", "status"), "apis/headrace.dev/v1alpha1/namespaces/s/functions/f/status"),
        (PODS, "s", ("a/../b?x",), "api/v1/namespaces/s/pods/a%2F..%2Fb%3Fx"),
    ],
)
def test_paths(kind: Kind, namespace: str, below: tuple[str, ...], path: str) -> None:
    assert wire.path_of(kind, namespace, *below) == path


def status(code: int, message: str = "why", reason: str = "") -> dict[str, Any]:
    return {"kind": "Status", "code": code, "message": message, "reason": reason}


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", ConfigurationError),
        (401, "Unauthorized", ConfigurationError),
        (403, "Forbidden", ConfigurationError),
        (404, "NotFound", NotFoundError),
        (405, "MethodNotAllowed", ConfigurationError),
        (408, "Timeout", TransientError),
        (409, "AlreadyExists", ExistsError),
        (409, "Conflict", ChangedError),
        (410, "Expired", ChangedError),
        (415, "UnsupportedMediaType", ConfigurationError),
        (422, "Invalid", ConfigurationError),
        (429, "TooManyRequests", TransientError),
        (500, "InternalError", TransientError),
        (503, "ServiceUnavailable", TransientError),
        (504, "Timeout", TransientError),
    ],
)
def test_what_a_refusal_means(code: int, reason: str, expected: type[HeadraceError]) -> None:
    error = wire.refusal(code, status(code, "this is why", reason), "Pod s/a")
    assert (type(error), str(error).startswith("Pod s/a: this is why")) == (expected, True)


def test_a_patch_for_another_uid_is_of_what_changed() -> None:
    causes = [{"field": "metadata.uid", "message": "field is immutable"}]
    answer = {**status(422, "invalid"), "details": {"causes": causes}}
    assert type(wire.refusal(422, answer, "Node a")) is ChangedError


@pytest.mark.parametrize(
    "answer", [{}, {"message": "<a page>"}, [], "text", {"kind": "Other", "message": "x"}]
)
def test_what_is_no_error_document_is_not_quoted(answer: object) -> None:
    assert str(wire.refusal(502, answer, "Pod s/a")) == "Pod s/a: HTTP 502"


@given(st.lists(st.binary(max_size=20).map(lambda each: each.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_are_the_same_however_they_are_cut(expected: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(each + b"\n" for each in expected)
    found, rest = [], b""
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        whole, rest = wire.lines(stream[:cut], rest)
        found, stream = found + whole, stream[cut:]
    assert (found, rest) == ([each for each in expected if each], b"")


Answer = Callable[[httpx2.Request], httpx2.Response | BaseException]


def client(answer: Answer) -> LightKube:
    """An adapter whose server is a function."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        given = answer(request)
        if isinstance(given, BaseException):
            raise given
        return given

    transport = httpx2.MockTransport(handle)
    return LightKube(httpx2.AsyncClient(base_url="https://api:6443", transport=transport, trust_env=False))


def reply(body: Mapping[str, Any], code: int = 200) -> httpx2.Response:
    return httpx2.Response(code, json=body)


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "s", "resourceVersion": "7"}}


async def test_a_write_is_strict_and_named() -> None:
    asked: list[httpx2.Request] = []
    kube = client(lambda request: asked.append(request) or reply(POD))
    await kube.create(PODS, {"metadata": {"name": "a", "namespace": "s"}})
    await kube.apply_status(PODS, POD, manager="me")
    await kube.patch(PODS, "a", {"spec": None}, namespace="s")
    assert [(each.method, str(each.url.path)) for each in asked] == [
        ("POST", "/api/v1/namespaces/s/pods"),
        ("PATCH", "/api/v1/namespaces/s/pods/a/status"),
        ("PATCH", "/api/v1/namespaces/s/pods/a"),
    ]
    assert [dict(each.url.params) for each in asked] == [
        {"fieldManager": "headrace", "fieldValidation": "Strict"},
        {"fieldManager": "me", "fieldValidation": "Strict", "force": "true"},
        {"fieldManager": "headrace", "fieldValidation": "Strict"},
    ]
    assert [each.headers["content-type"] for each in asked] == [
        "application/json",
        "application/apply-patch+yaml",
        "application/merge-patch+json",
    ]
    assert orjson.loads(asked[0].content)["kind"] == "Pod"


async def test_a_deletion_says_its_conditions() -> None:
    asked: list[httpx2.Request] = []
    kube = client(lambda request: asked.append(request) or reply({}))
    await kube.delete(PODS, "a", namespace="s", uid="u", version="7", grace_seconds=0)
    assert orjson.loads(asked[0].content) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "gracePeriodSeconds": 0,
    }


def page(names: str, token: str = "") -> dict[str, Any]:
    items = [{"metadata": {"name": name, "namespace": "s", "managedFields": [1]}} for name in names]
    return {"metadata": {"resourceVersion": "9", "continue": token}, "items": items}


async def test_a_long_list_comes_in_pages() -> None:
    pages = {"": page("ab", "t1"), "t1": page("cd", "t2"), "t2": page("e")}
    asked: list[dict[str, str]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(dict(request.url.params))
        return reply(pages[request.url.params.get("continue", "")])

    listing = await client(answer).list(PODS, Selection("s", {"x": "y", "z": "w"}))
    assert [each["metadata"] for each in listing.items] == [{"name": n, "namespace": "s"} for n in "abcde"]
    assert {each["kind"] for each in listing.items} == {"Pod"}
    assert listing.version == "9"
    common = {"labelSelector": "x=y,z=w", "limit": "500"}
    assert asked == [common, {**common, "continue": "t1"}, {**common, "continue": "t2"}]


async def test_a_list_whose_pages_expired_is_asked_for_in_one() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if "continue" in request.url.params:
            return reply(status(410, reason="Expired"), 410)
        return reply(page("a", "t1") if "limit" in request.url.params else page("abc"))

    assert len((await client(answer).list(PODS)).items) == 3


@pytest.mark.parametrize(
    ("given", "expected", "message"),
    [
        (httpx2.ConnectError("refused"), TransientError, "does not answer"),
        (httpx2.ReadTimeout(""), TransientError, "ReadTimeout"),
        (httpx2.RemoteProtocolError("cut"), TransientError, "cut"),
        (httpx2.PoolTimeout(""), TransientError, "does not answer"),
        (httpx2.Response(200, text="<html>"), TransientError, "no JSON"),
        (httpx2.Response(200, json=[1]), TransientError, "no object"),
        (httpx2.Response(502, text="<html>secret</html>"), TransientError, "HTTP 502"),
        (httpx2.Response(404, text="404 page not found"), NotFoundError, "HTTP 404"),
        (httpx2.UnsupportedProtocol("no scheme"), ConfigurationError, "kubeconfig"),
    ],
)
async def test_what_goes_wrong_is_told_as_the_port_says(
    given: httpx2.Response | BaseException, expected: type[HeadraceError], message: str
) -> None:
    with pytest.raises(expected, match=message) as caught:
        await client(lambda _: given).get(PODS, "a", namespace="s")
    assert "secret" not in str(caught.value)
    assert "Pod s/a" in str(caught.value)


async def test_a_certificate_that_is_not_trusted_is_a_matter_of_configuration() -> None:
    error = httpx2.ConnectError("certificate verify failed")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")
    with pytest.raises(ConfigurationError, match="authority"):
        await client(lambda _: error).get(PODS, "a", namespace="s")


class Hanging(httpx2.AsyncBaseTransport):
    """A server that takes a request and says nothing."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.kube.lightkube.CALL_SECONDS", 0.01)
    kube = LightKube(httpx2.AsyncClient(base_url="https://api", transport=Hanging(), trust_env=False))
    with pytest.raises(TransientError, match="TimeoutError"):
        await kube.get(PODS, "a", namespace="s")
    with pytest.raises(TransientError, match="TimeoutError"):
        await anext(kube.watch(PODS, Selection(), "1"))


def streamed(*chunks: bytes | BaseException) -> httpx2.Response:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    return httpx2.Response(200, content=stream())


def line(kind: str, **metadata: Any) -> bytes:
    return orjson.dumps({"type": kind, "object": {"metadata": metadata}}) + b"\n"


async def watched(answer: httpx2.Response) -> tuple[list[tuple[Change, str]], HeadraceError | None]:
    """What a watch from version 3 gives, and how it ends."""
    told: list[tuple[Change, str]] = []
    try:
        async for event in client(lambda _: answer).watch(PODS, Selection("s"), "3"):
            told.append(  # noqa: PERF401  (what came before an error is kept)
                (event.change, event.manifest["metadata"]["resourceVersion"])
            )
    except HeadraceError as error:
        return told, error
    return told, None


OPENING = (Change.BOOKMARK, "3")


async def test_a_watch_that_the_server_ends_ends_quietly() -> None:
    lines = line("ADDED", resourceVersion="4") + line("DELETED", resourceVersion="5")
    bookmark = line("BOOKMARK", resourceVersion="6")
    told, error = await watched(streamed(lines[:30], lines[30:], bookmark))
    assert told == [OPENING, (Change.PUT, "4"), (Change.GONE, "5"), (Change.BOOKMARK, "6")]
    assert error is None


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (httpx2.RemoteProtocolError("cut"), TransientError),
        (httpx2.ReadTimeout("silent"), TransientError),
        (orjson.dumps({"type": "ERROR", "object": status(410)}) + b"\n", ChangedError),
        (orjson.dumps({"type": "ERROR", "object": status(500)}) + b"\n", TransientError),
        (b"<html>\n", TransientError),
    ],
)
async def test_how_a_watch_may_end(end: bytes | BaseException, expected: type[HeadraceError]) -> None:
    told, error = await watched(streamed(line("MODIFIED", resourceVersion="4"), end))
    assert (told, type(error)) == ([OPENING, (Change.PUT, "4")], expected)


async def test_half_a_line_at_the_end_of_a_watch_is_no_event() -> None:
    told, error = await watched(streamed(line("ADDED", resourceVersion="4"), b'{"type": "ADD'))
    assert (told, error) == ([OPENING, (Change.PUT, "4")], None)


async def test_a_watch_that_is_refused_says_why() -> None:
    told, error = await watched(reply(status(410, "too old"), 410))
    assert (told, type(error), "too old" in str(error)) == ([], ChangedError, True)


# Who we are


def settings(kubeconfig: str = "") -> KubernetesSettings:
    return KubernetesSettings(namespace="f", platform_namespace="p", kubeconfig=kubeconfig)


KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://api.example:6443"}}]
users: [{name: u, user: {tokenFile: TOKEN}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


async def test_the_kubeconfig_that_is_named_counts(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    made = connected(settings(str(path)))
    assert str(made.base_url) == "https://api.example:6443"
    assert not made.trust_env
    await made.aclose()


async def test_a_context_that_is_named_goes_before_the_current_one(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    other = "clusters: [{name: d, cluster: {server: 'https://other.example'}}, "
    path.write_text(
        KUBECONFIG.replace("clusters: [", other).replace(
            "contexts: [", "contexts: [{name: y, context: {cluster: d, user: u}}, "
        )
    )
    made = connected(settings(str(path)), context="y")
    assert str(made.base_url) == "https://other.example"
    await made.aclose()


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_program_that_prints_a_token_is_asked_for_it(tmp_path: Path, version: str) -> None:
    path = tmp_path / "kubeconfig"
    program = {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "command": "echo",
        "args": ['{"status": {"token": "abc"}}'],
        "interactiveMode": "Never",
    }
    path.write_text(KUBECONFIG.replace("tokenFile: TOKEN", f"exec: {orjson.dumps(program).decode()}"))
    made = connected(settings(str(path)))
    assert made.auth is not None
    (request,) = [each async for each in made.auth.async_auth_flow(httpx2.Request("GET", "https://x"))]
    assert request.headers["Authorization"] == "Bearer abc"
    await made.aclose()


async def test_no_ambient_kubeconfig_is_ever_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".kube").mkdir()
    for path in (tmp_path / ".kube" / "config", tmp_path / "other"):
        path.write_text(KUBECONFIG)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "other"))
    with pytest.raises(ConfigurationError, match="no kubeconfig is set and this pod's service account"):
        connected(settings(), service_account=str(tmp_path / "account"))


async def test_in_a_pod_its_own_account_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    Authority.new(datetime.now(UTC)).pair.write(tmp_path, "ca")
    for name in ("token", "namespace"):
        (tmp_path / name).write_text(name)
    made = connected(settings(), service_account=str(tmp_path))
    assert str(made.base_url) == "https://10.0.0.1"
    await made.aclose()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not found"),
        ("{", "kubeconfig"),
        ("x: 1", "'clusters'"),
        (KUBECONFIG.replace("current-context: x", ""), "current context|current-context"),
        (KUBECONFIG.replace("current-context: x", "current-context: y"), "y"),
        (KUBECONFIG.replace("server:", "certificate-authority: none.crt, server:"), "No such file"),
    ],
)
async def test_a_kubeconfig_that_can_not_be_used_is_named(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        connected(settings(str(path)))
    assert str(path) in str(caught.value)


async def test_a_token_that_the_server_refuses_is_read_again(tmp_path: Path) -> None:
    token, path = tmp_path / "token", tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG.replace("TOKEN", str(token)))
    token.write_text("first")
    valid = "first"

    def handle(request: httpx2.Request) -> httpx2.Response:
        known = request.headers["authorization"] == f"Bearer {valid}"
        return reply(POD) if known else reply(status(401, "Unauthorized"), 401)

    made = connected(settings(str(path)))
    await made._transport.aclose()
    made._transport = httpx2.MockTransport(handle)
    kube = LightKube(made)
    await kube.get(PODS, "a", namespace="s")
    valid = "second"
    token.write_text("second\n")
    assert (await kube.get(PODS, "a", namespace="s"))["metadata"]["name"] == "a"
    valid = "third"
    with pytest.raises(ConfigurationError, match="Unauthorized"):
        await kube.get(PODS, "a", namespace="s")
    token.unlink()
    with pytest.raises(ConfigurationError, match="not found"):
        await kube.get(PODS, "a", namespace="s")
    await kube.close()
