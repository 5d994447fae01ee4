"""The cost model's figures for a file are those of the calls and bytes that really go over a link.

Of seconds nothing is asserted here: `make bench ARGS=remoting` measures them.
"""

from collections.abc import Iterator

import pytest

from headrace.placement.cost import predicted_seconds
from tests.bench.remoting import JOBS, SESSION, SESSION_BYTES, Echo, Point, Products, counted, sample
from tests.fixtures.delays import DelayedLinks, delayed_links
from tests.fixtures.stub_gpu import StubServer, stub_server

POINTS = (Point(1.0, 1000.0), Point(5.0, 1000.0))
MOST_HEAD_BYTES = 256  # of a call or an answer, with its frame


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    with stub_server(tmp_path_factory.mktemp("stub") / "log", memory="1Gi") as found:
        yield found


@pytest.fixture(scope="module")
def links(server: StubServer) -> Iterator[DelayedLinks]:
    with delayed_links(server.port, [point.spelt for point in POINTS]) as found:
        yield found


@pytest.mark.parametrize("kind", JOBS, ids=lambda kind: kind.NAME)
async def test_a_files_calls_and_bytes_are_the_models_whatever_the_link(
    server: StubServer, links: DelayedLinks, kind: type[Echo] | type[Products]
):
    await server.open(SESSION, memory_bytes=SESSION_BYTES)
    works = []
    for point in POINTS:
        before = links.passed_bytes()[point.spelt]
        device = server.device(SESSION, port=links.ports[point.spelt]).connect()
        works.append(counted(kind(device)))
        device.close()
        passed = [now - old for old, now in zip(before, links.passed_bytes()[point.spelt], strict=True)]
        assert passed == [device.counts.bytes_sent, device.counts.bytes_received]
    near, far = works
    payload = kind.PAYLOAD
    assert (near.calls, near.streamed_calls) == (payload.calls, payload.streamed_calls)
    assert (far.calls, far.streamed_calls) == (payload.calls, payload.streamed_calls)
    calls = near.calls + near.streamed_calls + 1
    for work in works:
        assert 0 < work.bytes_out - payload.bytes_out <= calls * MOST_HEAD_BYTES
        assert 0 < work.bytes_in - payload.bytes_in <= calls * MOST_HEAD_BYTES
    assert predicted_seconds(near, POINTS[0].link) < predicted_seconds(far, POINTS[1].link)


async def test_the_server_counts_what_its_answers_say_of_computing(server: StubServer, links: DelayedLinks):
    await server.open("counted", memory_bytes=SESSION_BYTES)
    with server.device("counted", port=links.ports[POINTS[0].spelt]) as device:
        job = Products(device)
        found = [sample(job) for _ in range(2)]
        device.synchronize()
        told = (await server.sessions())["counted"]
    assert sum(each.gpu_seconds for each in found) == pytest.approx(told.gpu_seconds)
    assert all(0 < each.gpu_seconds < each.seconds for each in found)
