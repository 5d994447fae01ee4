"""What the receiver answers, and when."""

import base64
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from headrace.events.receiver import MAX_BODY_BYTES, Receiver
from headrace.logs.json_lines import JsonFormatter
from headrace.model.errors import ConfigurationError, TransientError
from tests.unit.intake_bench import Bench, Watched
from tests.unit.notifications import saved

TOKEN = "hook-token"
AUTHORISED = {"authorization": f"Bearer {TOKEN}"}


class Answer:
    """A response as it arrived."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.challenges: list[str] = []
        self.body = b""

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.challenges = [
                value.decode() for name, value in message["headers"] if name == b"www-authenticate"
            ]
        else:
            self.body += message.get("body", b"")


def basic(credentials: str) -> str:
    return base64.b64encode(credentials.encode()).decode()


async def ready() -> None:
    """A probe that finds all well."""


async def call(
    bench: Bench,
    path: str = "/events",
    *parts: bytes,
    method: str = "POST",
    headers: Mapping[str, str] = AUTHORISED,
    probe: Callable[[], Awaitable[None]] = ready,
    leaves: bool = False,
    receiver: Receiver | None = None,
    **adapters: Any,
) -> Answer:
    """One request; its body comes in parts, and the sender may leave before the last."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.disconnect"} if leaves else {"type": "http.request", "more_body": False})
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }

    async def receive() -> Any:
        return messages.pop(0)

    answer = Answer()
    receiver = receiver or Receiver(bench.intake(**adapters), token=TOKEN, probe=probe)
    app = receiver.app()
    await app(scope, receive, answer.send)
    return answer


async def bench_with_file() -> Bench:
    bench = await Bench().open()
    await bench.put("echo/a.dcm")
    return bench


async def test_a_notification_is_answered_when_its_task_is_stored() -> None:
    bench = await bench_with_file()
    answer = await call(bench, "/events", saved("seaweedfs/put"))
    assert (answer.status, answer.document) == (200, {"stored": 1, "queued": 0, "ignored": 0})
    assert await bench.queued() == {"echo/a.dcm"}


async def test_the_same_notification_again_is_a_success_too() -> None:
    bench = await bench_with_file()
    await call(bench, "/events", saved("seaweedfs/put"))
    answer = await call(bench, "/events", saved("seaweedfs/put"))
    assert (answer.status, answer.document) == (200, {"stored": 0, "queued": 1, "ignored": 0})


async def test_a_notification_that_starts_nothing_is_a_success() -> None:
    answer = await call(await Bench().open(), "/events", saved("s3/aws_test_event"))
    assert (answer.status, answer.document) == (200, {"stored": 0, "queued": 0, "ignored": 1})


async def test_a_body_may_come_in_parts() -> None:
    body = saved("seaweedfs/put")
    answer = await call(await bench_with_file(), "/events", body[:100], b"", body[100:])
    assert answer.document["stored"] == 1


async def test_what_is_no_notification_is_answered_400_with_the_reason() -> None:
    answer = await call(await Bench().open(), "/events", b'{"hello": 1}')
    assert answer.status == 400
    assert "no notification" in answer.document["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": "Bearer \xe9"},
        {"authorization": f"Basic {basic(TOKEN)}"},
        {"authorization": f"Basic {basic(f'{TOKEN}:')}"},
        {"authorization": f"Basic {basic(f'any:{TOKEN}x')}"},
        {"authorization": f"Basic {basic(f'any:{TOKEN}')}!"},
        {"authorization": f"Digest {basic(f'any:{TOKEN}')}"},
        {"authorization": "Basic \xe9"},
    ],
)
async def test_without_the_right_token_nothing_is_read(headers: Mapping[str, str]) -> None:
    bench = await bench_with_file()
    answer = await call(bench, "/events", saved("seaweedfs/put"), headers=headers)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert await bench.queued() == set()


@pytest.mark.parametrize("user", ["any", "", "headrace"])
async def test_who_can_be_given_an_address_alone_gives_the_token_as_its_password(user: str) -> None:
    bench = await bench_with_file()
    headers = {"authorization": f"Basic {basic(f'{user}:{TOKEN}')}"}
    answer = await call(bench, "/events", saved("seaweedfs/put"), headers=headers)
    assert (answer.status, await bench.queued()) == (200, {"echo/a.dcm"})


async def test_who_gives_no_token_is_asked_for_either_form_of_it() -> None:
    answer = await call(await Bench().open(), "/events", headers={})
    assert answer.challenges == ['Basic realm="headrace"', "Bearer"]


async def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    headers = AUTHORISED | {"content-length": str(MAX_BODY_BYTES + 1)}
    assert (await call(await Bench().open(), headers=headers)).status == 413


async def test_a_body_that_turns_out_too_large_is_refused() -> None:
    part = b" " * (MAX_BODY_BYTES // 2)
    assert (await call(await Bench().open(), "/events", part, part, b" ")).status == 413


async def test_a_sender_that_leaves_stores_nothing() -> None:
    bench = await bench_with_file()
    await call(bench, "/events", saved("seaweedfs/put"), leaves=True)
    assert await bench.queued() == set()


def failing(error: Exception) -> type[Watched]:
    class Failing(Watched):
        async def before(self, *call: Any) -> None:
            raise error

    return Failing


@pytest.mark.parametrize("adapter", ["storage", "queue"])
async def test_when_a_server_is_away_the_sender_is_asked_to_come_again(adapter: str) -> None:
    bench = await bench_with_file()
    away = failing(TransientError("it is away"))(getattr(bench, adapter))
    answer = await call(bench, "/events", saved("seaweedfs/put"), **{adapter: away})
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.document == {"error": "it is away"}


async def test_what_only_a_person_can_mend_is_no_success() -> None:
    bench = await bench_with_file()
    denied = failing(ConfigurationError("access denied to bucket uploads"))(bench.storage)
    answer = await call(bench, "/events", saved("seaweedfs/put"), storage=denied)
    assert (answer.status, answer.document) == (500, {"error": "access denied to bucket uploads"})


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/events", 405), ("GET", "/nothing", 404)])
async def test_other_requests_are_not_served(method: str, path: str, status: int) -> None:
    assert (await call(await Bench().open(), path, method=method)).status == status


async def test_health_needs_no_token_and_no_servers() -> None:
    async def away() -> None:
        raise TransientError("away")

    answer = await call(Bench(), "/healthz", method="GET", headers={}, probe=away)
    assert (answer.status, answer.document) == (200, {"status": "ok"})


async def test_readiness_tells_whether_the_servers_answer() -> None:
    async def away() -> None:
        raise TransientError("the queue is away")

    assert (await call(Bench(), "/readyz", method="GET", headers={})).status == 200
    answer = await call(Bench(), "/readyz", method="GET", headers={}, probe=away)
    assert (answer.status, answer.document) == (503, {"error": "the queue is away"})


async def test_each_stored_task_is_logged_with_its_ids(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await call(await bench_with_file(), "/events", saved("seaweedfs/put"))
    (line,) = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    assert (line["action"], line["function"], line["bucket"], line["key"]) == (
        "events.task_stored",
        "echo",
        "uploads",
        "echo/a.dcm",
    )
    assert len(line["task"]) == 32


def test_a_log_line_is_one_json_object_without_secrets() -> None:
    record = logging.LogRecord("uvicorn", logging.ERROR, "f.py", 1, "with %s\n", (f"nats://{TOKEN}@h",), None)
    record.url = {TOKEN: [TOKEN]}
    line = JsonFormatter(["", TOKEN]).format(record)
    assert TOKEN not in line
    document = json.loads(line)
    assert (document["action"], document["message"], document["level"]) == (
        "uvicorn",
        "with nats://***@h\n",
        "error",
    )
