"""`python -m tests.bench [NAME ...]`: measure, print, and write docs/benchmarks.md; names: see SECTIONS.

Without a name all are measured; with names only their sections of the page are written anew.
"""

import asyncio
import os
import platform
import sys
import tempfile
from pathlib import Path

from tests.bench import (
    backup,
    echo,
    elasticity_page,
    latency,
    one_job_a_file,
    polling,
    rate,
    remoting_page,
    started_workers,
    status_page,
    tenants,
    watched,
)
from tests.bench.figures import Spread, percentile, table

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

Written by `make bench`; every figure is the median, with the least and the greatest in brackets. Machines
differ and are noisy: only the ratios, taken in turn in one run, mean anything elsewhere.

Measured on {cores} cores, {system}, Python {python}, SeaweedFS and NATS on the same cores.
"""

COSTS = """
Both cores are busy throughout, so the ratio is one of processor time. Above the bare calls a file costs a
HEAD after publishing (ADR 6), the queue, the runner and the task's folder.
"""


async def _rate(base: Path) -> str:
    rows: list[list[str]] = []
    memory: list[list[str]] = []
    for workers in (1, 2):
        found = await rate.measure(base / str(workers), workers=workers)
        rows.append(
            [
                str(workers),
                Spread.of(found.headrace).told(0),
                Spread.of(found.bare).told(0),
                found.ratio(found.bare).told(),
                Spread.of(found.get_put).told(0),
                found.ratio(found.get_put).told(),
            ]
        )
        memory += [
            [name, str(workers), f"{idle:.0f}", f"{found.loaded[name]:.0f}"]
            for name, idle in found.idle.items()
        ]
    return (
        "## A function that copies its input\n\n"
        f"{rate.FILES} files of {rate.BODY_BYTES:,} bytes that wait, {rate.ROUNDS} rounds; bare calls (GET, "
        f"staged PUT, create-only PUT of 1 KB, copy; and GET and PUT alone) {rate.CONCURRENCY} at a time. "
        "Files a second; goal: a ratio of 0.7 to the bare calls.\n\n"
        + table(
            ["workers", "Headrace", "bare calls", "ratio", "GET+PUT", "ratio to GET+PUT"],
            rows,
        )
        + COSTS
        + "\n### Memory\n\nResident MiB of one process, idle and while files come in and go out.\n\n"
        + table(["process", "workers", "idle", "under load"], memory)
    )


async def _latency(base: Path) -> str:
    found = await latency.measure(base)
    rows = [
        [
            name,
            *(f"{percentile(samples, share) * 1000:.1f}" for share in (0.5, 0.95, 0.99)),
            f"{max(samples) * 1000:.1f}",
        ]
        for name, samples in (
            ("upload answered to handler start", found.handler),
            ("upload answered to the bare webhook's arrival", found.webhook),
            ("the upload itself", found.upload),
        )
    ]
    return (
        "## From an upload to the start of a handler\n\n"
        f"{latency.FILES} files, one at a time, a warm worker; milliseconds. Goal: median 30, p99 250. "
        "A negative figure: it came before the upload was answered.\n\n"
        + table(["", "median", "p95", "p99", "greatest"], rows)
    )


async def _echo(base: Path) -> str:
    found = await echo.measure(base)
    parts = table(
        ["part of a clip", "seconds"], [[name, f"{seconds:.3f}"] for name, seconds in found.parts.items()]
    )
    rows = [
        [name, Spread.of(pair.kept).told(), Spread.of(pair.single).told(), pair.ratio.told(1)]
        for name, pair in (("from bucket to bucket", found.whole), ("the function's process", found.process))
    ]
    return (
        "## functions/echo\n\n"
        f"One worker, {echo.ROUNDS} rounds of {echo.KEPT_FILES} and {echo.SINGLE_FILES} clips in turn; files "
        "a second. Goal: a ratio of 5. From bucket to bucket, one process a file is OSCAR's own supervisor "
        "(faas-supervisor 1.5.2) with functions/echo as its script, without the container that OSCAR starts "
        "as well. The second row leaves out all but the function's own process: its ratio is the lower, the "
        "faster a machine imports and the slower it computes. "
        f"Loading takes {found.load_seconds.told()} seconds.\n\n"
        + table(["", "model kept loaded", "one process a file", "ratio"], rows)
        + "\n"
        + parts
    )


SECTIONS = {
    "rate": _rate,
    "latency": _latency,
    "polling": polling.page,
    "echo": _echo,
    "backup": backup.page,
    "watched": watched.page,
    "elasticity": elasticity_page.page,  # takes half an hour
    "decisions": elasticity_page.decision_page,
    "tenants": tenants.page,  # takes five minutes
    "remoting": remoting_page.page,  # takes five minutes
    "status-page": status_page.page,  # needs Chromium
    "started-workers": started_workers.page,  # needs the engines of `make toolchain`
    "one-job-a-file": one_job_a_file.page,  # needs them and root; takes a quarter of an hour
}


async def _main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as base:
        for name in names or SECTIONS:
            section = await SECTIONS[name](Path(base) / name)
            print(section, flush=True)
            _keep(section)


def _keep(section: str) -> None:
    """Put a section in the place of the one with its heading, or at the page's end."""
    head = HEAD.format(cores=os.cpu_count(), system=platform.system(), python=platform.python_version())
    _, *sections = PAGE.read_text().split("\n## ") if PAGE.exists() else ("",)
    kept = {each.partition("\n")[0]: each for each in sections}
    body = section.removeprefix("## ")
    kept[body.partition("\n")[0]] = body
    PAGE.write_text("\n## ".join([head, *kept.values()]))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
