"""Metrics over HTTP, on loopback: a worker's own port, and services of a stack that runs."""

import asyncio
import logging
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace.metrics import catalogue
from headrace.metrics.catalogue import of_service
from headrace.metrics.family import Service
from headrace.metrics.port import SILENT
from headrace.model.backed import LastBackup
from headrace.model.keys import last_backup_key
from headrace.tracing.port import UNTRACED
from headrace.worker.measured import measured
from tests.stack import running


async def page(address: str) -> dict[tuple[str, ...], float]:
    """Values by name and labels, in the order of the labels' names."""

    def read() -> str:
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            return answer.read().decode()

    samples = (s for f in text_string_to_metric_families(await asyncio.to_thread(read)) for s in f.samples)
    return {(s.name, *(s.labels[label] for label in sorted(s.labels))): s.value for s in samples}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


async def test_a_workers_counts_are_read_from_its_own_port() -> None:
    port = free_port()
    async with measured(port, UNTRACED) as meter:
        meter.count(catalogue.ATTEMPTS, "echo", "", "done")
        found = await page(f"http://127.0.0.1:{port}")
    assert found["headrace_worker_attempts_total", "echo", "done", ""] == 1.0
    assert found["headrace_trace_spans_dropped_total",] == 0.0


async def test_a_port_that_the_functions_own_program_holds_keeps_no_worker_from_working(caplog) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken, caplog.at_level(logging.WARNING):
        async with measured(taken.getsockname()[1], UNTRACED) as meter:
            assert meter is SILENT
    assert [record.action for record in caplog.records] == ["worker.unmeasured"]


@pytest.mark.parametrize("module", ["headrace.worker.__main__", "headrace.events.__main__"])
def test_where_nobody_watches_nothing_is_loaded_for_it(module: str) -> None:
    watching = ["opentelemetry", *(["prometheus_client", "uvicorn"] if "worker" in module else [])]
    code = f"import sys, {module}; print([each for each in {watching} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_receiver_and_api_of_a_stack_tell_all_that_is_theirs(tmp_path: Path) -> None:
    functions = tmp_path / "functions"
    functions.mkdir()
    async with running(tmp_path / "state", functions, workers=1) as stack:
        receiver, api = stack.settings.receiver, stack.settings.api
        bare = {each.name for each in of_service(Service.RECEIVER) if not each.labels}
        found = await page(f"http://{receiver.host}:{receiver.port}")
        assert bare - {key[0] for key in found} == {catalogue.BACKED.name, catalogue.BACKUP_PERIOD.name}
        note = LastBackup(snapshot="first", began=1000.0, period_seconds=3600.0)
        await stack.storage.put(stack.settings.platform_bucket, last_backup_key(), note.to_json())
        found = await page(f"http://{receiver.host}:{receiver.port}")
        assert bare <= {key[0] for key in found}
        assert (found[catalogue.BACKED.name,], found[catalogue.BACKUP_PERIOD.name,]) == (1000.0, 3600.0)
        assert found["headrace_server_up", "store"] == found["headrace_server_up", "queue"] == 1.0
        assert found["headrace_leading", "receiver"] == 1.0
        found = await page(f"http://{api.host}:{api.port}")
        assert found["headrace_api_spool_bytes",] == 0.0
        assert found["headrace_api_spool_limit_bytes",] == api.spool_bytes
