"""What needs no server of the JetStream adapter: reading stored messages, paging, translating errors."""

import nats.errors
import nats.js.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import ConfigurationError, NotFoundError, RejectedError, TransientError
from headrace.model.task import Task
from headrace.queue.jetstream_layout import RubbishError, read_task
from headrace.queue.jetstream_reading import ids
from headrace.queue.jetstream_server import translated

TASK = Task(id="0" * 32, function="echo", bucket="b", key="k", etag="e", size=1, received=1.0)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0), st.none() | st.text("abc-"))
def test_a_task_is_read_as_it_was_written(key: str, size: int, version: str | None) -> None:
    task = TASK.model_copy(update={"key": key, "size": size, "version": version})
    assert read_task("echo", f"tasks.echo.{task.id}", task.to_json()) == task


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_other_bytes_are_rubbish_and_nothing_worse(body: bytes) -> None:
    with pytest.raises(RubbishError):
        read_task("echo", f"tasks.echo.{TASK.id}", body)


@pytest.mark.parametrize(
    ("function", "subject"),
    [
        ("echo", "tasks.echo.another"),
        ("echo", f"tasks.other.{TASK.id}"),
        ("other", f"tasks.other.{TASK.id}"),
    ],
)
def test_a_task_in_another_tasks_place_is_rubbish(function: str, subject: str) -> None:
    with pytest.raises(RubbishError, match=TASK.id):
        read_task(function, subject, TASK.to_json())


class PagingServer:
    """Lists subjects `page` at a time, as the real server does 100,000 at a time."""

    def __init__(self, names: list[str], page: int) -> None:
        self.names = names
        self.page = page
        self.calls = 0

    async def api(self, call: str, document: dict[str, object]) -> dict[str, object]:
        self.calls += 1
        start = document["offset"]
        subjects = {f"tasks.echo.{name}": 1 for name in self.names[start : start + self.page]}
        return {"total": len(self.names), "state": {"subjects": subjects} if subjects else {}}


@pytest.mark.parametrize(("count", "page", "calls"), [(0, 3, 1), (3, 3, 1), (4, 3, 2), (7, 3, 3)])
async def test_ids_are_collected_over_all_pages(count: int, page: int, calls: int) -> None:
    names = [f"{number:032x}" for number in range(count)]
    server = PagingServer(names, page)
    assert (await ids(server, "echo"), server.calls) == (set(names), calls)


async def test_ids_end_when_the_stream_empties_between_two_pages() -> None:
    server = PagingServer(["a", "b", "c"], 2)
    listing = server.api

    async def emptying(call: str, document: dict[str, object]) -> dict[str, object]:
        answer = await listing(call, document)
        server.names = []
        return answer | {"total": 3}

    server.api = emptying
    assert await ids(server, "echo") == {"a", "b"}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (nats.errors.TimeoutError(), TransientError),
        (nats.errors.ConnectionClosedError(), TransientError),
        (nats.errors.OutboundBufferLimitError(), TransientError),
        (TimeoutError(), TransientError),
        (ConnectionResetError(), TransientError),
        (nats.js.errors.ServiceUnavailableError(code=503), TransientError),
        (nats.js.errors.APIError(), TransientError),
        (nats.js.errors.BadRequestError(code=400, description="bad"), ConfigurationError),
        (nats.js.errors.NotFoundError(code=404, description="stream not found"), NotFoundError),
        (nats.errors.MaxPayloadError(), RejectedError),
        (NotFoundError("ours"), NotFoundError),
    ],
)
def test_every_error_of_the_library_becomes_one_of_ours(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught, translated("work on echo"):
        raise raised
    assert caught.value is raised or (
        "work on echo" in str(caught.value) and caught.value.__cause__ is raised
    )


def test_a_defect_is_not_taken_for_an_error_of_the_server() -> None:
    with pytest.raises(ZeroDivisionError), translated("work"):
        raise ZeroDivisionError
