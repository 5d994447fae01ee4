"""A function's stream: as wide as its workers need, and never given back to one that is gone."""

import pytest

from headrace.events.deposit import Deposit
from headrace.events.routing import task_of
from headrace.model.errors import NotFoundError, TransientError
from headrace.model.task import Task
from tests.unit.intake_bench import Bench, Watched, function, settings_with

ECHO = function("echo")


async def a_task(bench: Bench) -> Task:
    return task_of("echo", await bench.put("a.dcm"), received=bench.time)


@pytest.mark.parametrize(
    ("workers", "files", "usual", "most"), [(50, 1, 1024, 1024), (500, 1, 1024, 2000), (500, 8, 20000, 20000)]
)
def test_each_worker_may_hold_four_batches_and_all_together_what_is_usual(
    workers: int, files: int, usual: int, most: int
) -> None:
    wide = function(
        "echo", run={"handler": "echo:run"}, scale={"maxWorkers": workers}, batch={"maxFiles": files}
    )
    settings = settings_with(queue={"url": "nats://127.0.0.1:1", "maxLeased": usual}).queue
    assert settings.most_leased(wide) == most


async def test_a_stream_is_opened_once_and_again_when_the_queue_has_lost_it() -> None:
    bench = await Bench().open()
    queue = Watched(bench.queue)
    deposit = Deposit(queue, bench.settings.queue)
    await deposit.open(ECHO)
    await deposit.open(ECHO)
    assert queue.calls == [("ensure", "echo")]
    await bench.queue.drop("echo")
    assert len((await deposit.put([await a_task(bench)])).stored) == 1


async def test_a_function_that_is_gone_gets_no_stream_back_until_it_comes_again() -> None:
    bench = await Bench().open()
    deposit = Deposit(bench.queue, bench.settings.queue)
    await deposit.open(ECHO)
    deposit.leave("echo")
    await bench.queue.drop("echo")
    with pytest.raises(TransientError, match="echo is gone"):
        await deposit.put([await a_task(bench)])
    with pytest.raises(NotFoundError):
        await bench.queue.backlog("echo")
    await deposit.open(ECHO)
    assert len((await deposit.put([await a_task(bench)])).stored) == 1
