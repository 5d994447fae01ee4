"""One Job a file, as OSCAR works, beside Headrace's workers: files a second and calls of the API server.

One real node of a cluster in a box, a platform brought up by Pulumi, equal slots, 2-second files, in turn.
"""

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path

from headrace.kube.lightkube import LightKube
from tests.bench import one_job_a_file_oscar as oscar
from tests.bench.figures import Spread, table
from tests.bench.one_job_a_file_ground import FILE_SECONDS, SAID_CORES, Ground, declare, ground
from tests.bench.one_job_a_file_rounds import Load, Sample, headrace, jobs
from tests.fixtures.kube import settings_of

ROUNDS = 2
SETTLING_SECONDS, IDLE_SECONDS = 10.0, 30.0
HEADRACE, BARE, SUPERVISED = "Headrace", "Jobs that only sleep", "Jobs with OSCAR's supervisor"
WAYS_HEADINGS = (
    "slots", "", "files", "files/s", "of the ideal", "busy cores", "core-seconds a file", "API calls a file",
    "beyond idle",
)  # fmt: skip
RATIOS_HEADINGS = ("slots", "Headrace beside", "files/s", "API calls a file", "beyond idle")
HEAD = f"""\
## One Job a file

Files of {FILE_SECONDS} seconds on one real node (containerd, kubelet) of a cluster in a box, the platform
brought up by Pulumi, {ROUNDS} rounds in turn; ideal: slots / {FILE_SECONDS} files a second.

- Headrace: a script on a plain Debian, `maxWorkers` as many as slots; from the first upload to the last
  result, pods from none and gone again.
- Jobs: one a file in the form of OSCAR's, created as the file arrives; the node has so many of an extended
  resource, and the scheduler does the rest. Those that only sleep read and write no file: no OSCAR is as
  fast. The others run OSCAR's faas-supervisor 1.5.2 with Headrace's script on Headrace's store.
- Left out in OSCAR's favour: its service, which reads the function anew for each event, the volume with its
  programs, and the question to a registry for each Job.

API calls are all that the API server answers until the workers are gone, or the Jobs complete (that those
are deleted some day is not counted); beyond idle: less the {{idle:.1f}} a second of the same cluster at rest.
Cores are the whole machine's, idle platform and measuring included, until the last result. The node says
that it has {SAID_CORES} cores, so that slots alone bind.

"""
TAIL = """
Goals: 2 times the files a second, 8 times fewer API calls. Headrace pays for a pod once a worker: its rate
holds the start of all of them, two containers each, on these cores, and the longer a burst the nearer it
comes to the ideal. A Job pays for a pod once a file, in processor time, which does not shrink with more
slots, and in API calls, which shrink with nothing. On more cores Jobs come nearer to their slots.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """Slots, and how many files a round of each way gets, in their order: what is compared are rates."""

    slots: int
    files: int
    bare: int
    supervised: int


PLANS = (Plan(10, 300, 40, 30), Plan(40, 1000, 80, 60))  # within twenty minutes


@dataclass(slots=True)
class Found:
    """The idle cluster's API calls a second, and samples by slots and way, round by round."""

    idle: float = 0.0
    samples: dict[tuple[int, str], list[Sample]] = field(default_factory=dict)

    def add(self, slots: int, way: str, sample: Sample) -> None:
        self.samples.setdefault((slots, way), []).append(sample)


async def page(base: Path) -> str:
    """The section of docs/benchmarks.md."""
    return told(await measure(base))


async def measure(base: Path) -> Found:
    """All ways, in turn."""
    with ground(base) as on:
        oscar.prepare(on.site, on.storage)
        for plan in PLANS:
            declare(on.site, plan.slots)
        await asyncio.sleep(SETTLING_SECONDS)
        found = Found(on.idle_calls(IDLE_SECONDS))
        kube = LightKube.of(settings_of(on.site.box.kubeconfig))
        try:
            for number, plan in itertools.product(range(ROUNDS), PLANS):
                await _round(on, kube, plan, number, found)
        finally:
            await kube.close()
    return found


async def _round(on: Ground, kube: LightKube, plan: Plan, number: int, found: Found) -> None:
    oscar.give_slots(on.site, plan.slots)

    def load(files: int) -> Load:
        return Load(on, kube, plan.slots, files, f"{plan.slots}-{number}")

    found.add(plan.slots, HEADRACE, await headrace(load(plan.files)))
    found.add(plan.slots, BARE, await jobs(load(plan.bare), supervised=False))
    found.add(plan.slots, SUPERVISED, await jobs(load(plan.supervised), supervised=True))


def told(found: Found) -> str:
    """What was found, as Markdown."""
    return HEAD.format(idle=found.idle) + _ways(found) + "\n" + _ratios(found) + TAIL


def _ways(found: Found) -> str:
    rows = []
    for (slots, way), samples in found.samples.items():
        columns = [
            [each.rate for each in samples],
            [each.rate * FILE_SECONDS / slots for each in samples],
            [each.cores for each in samples],
            [each.core_seconds_a_file for each in samples],
            [each.calls_a_file() for each in samples],
            [each.calls_a_file(found.idle) for each in samples],
        ]
        spreads = [Spread.of(column).told() for column in columns]
        rows.append([str(slots), way, str(samples[0].files), *spreads])
    return table(WAYS_HEADINGS, rows)


def _ratios(found: Found) -> str:
    """Round by round, as both ways of a round follow one another."""
    rows = []
    for (slots, way), samples in found.samples.items():
        pairs = list(zip(found.samples[slots, HEADRACE], samples, strict=True))
        columns = [
            [ours.rate / theirs.rate for ours, theirs in pairs],
            [theirs.calls_a_file() / ours.calls_a_file() for ours, theirs in pairs],
            [theirs.calls_a_file(found.idle) / ours.calls_a_file(found.idle) for ours, theirs in pairs],
        ]
        if way != HEADRACE:
            rows.append([str(slots), way, *(Spread.of(column).told(1) for column in columns)])
    return table(RATIOS_HEADINGS, rows)
