"""One chaos run: upload in bursts while processes are killed, wait until all has ended, count."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from headrace.model.task import task_id
from tests.e2e.evidence import list_keys
from tests.e2e.harness import PLATFORM, System, wait_until
from tests.e2e.oracle import Upload, Verdict
from tests.e2e.supervisor import Harm, Harmer
from tests.e2e.uploads import File, Uploader

BURSTS = 10
STALLED_SECONDS = 60.0  # without any new ending: something is stuck
RECEIVER_SECONDS = 30.0  # a burst waits for it, else most notifications would be given up by the store
LEAST = 5  # kills of each kind


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a run."""

    files: int
    seed: int
    kills: dict[str, int]
    standstills: int
    notifications: dict[str, int]
    unacknowledged_puts: int
    uploads: int
    done: int
    superseded: int
    replayed: int
    starts: int
    extra_starts: int
    exits: list[str]  # ends of services that nobody asked for
    seconds: float
    files_per_second: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    uploads: tuple[Upload, ...]
    kills: dict[str, int]
    standstills: int
    unacknowledged_puts: int
    seconds: float

    def report(self, system: System, *, before: Verdict, after: Verdict) -> Report:
        """The figures, with the verdicts before and after the replay of failures."""
        return Report(
            files=len({upload.place for upload in self.uploads}),
            seed=system.options.seed,
            kills=self.kills,
            standstills=self.standstills,
            notifications=system.proxy_counts(),
            unacknowledged_puts=self.unacknowledged_puts,
            uploads=len(self.uploads),
            done=before.done,
            superseded=before.superseded,
            replayed=before.failed - after.failed,
            starts=before.starts,
            extra_starts=before.extra_starts,
            exits=[end for kept in system.keepers.values() for keeper in kept for end in keeper.exits],
            seconds=round(self.seconds, 1),
            files_per_second=round(len(self.uploads) / self.seconds, 1),
        )


def run_campaign(system: System, files: Sequence[File], harm: Sequence[Harm]) -> Outcome:
    """Upload everything, with harm done meanwhile; returns when every upload has ended."""
    uploader = Uploader(system.client)
    began = time.monotonic()
    with _harmed(system, harm) as harmers:
        for number in range(BURSTS):
            _await_harm(harmers, number / BURSTS)
            system.keepers["receiver"][0].wait_up(RECEIVER_SECONDS)
            uploader.upload(files[number::BURSTS])
        _await_harm(harmers, 1.0)
    wait_for_endings(system, uploader.uploads)
    kills = {each.harm.kind: each.done for each in harmers if not each.harm.still_seconds}
    return Outcome(
        uploads=uploader.uploads,
        kills=kills,
        standstills=sum(each.done for each in harmers if each.harm.still_seconds),
        unacknowledged_puts=uploader.repeats,
        seconds=time.monotonic() - began,
    )


@contextmanager
def _harmed(system: System, harm: Sequence[Harm]) -> Iterator[list[Harmer]]:
    harmers = [
        Harmer(each, system.keepers["worker" if each.still_seconds else each.kind], system.options.seed)
        for each in harm
    ]
    for harmer in harmers:
        harmer.start()
    try:
        yield harmers
    finally:
        for harmer in harmers:
            harmer.stop()


def _await_harm(harmers: Sequence[Harmer], share: float) -> None:
    """Wait until that share of all harm is done, so that uploads and harm go on side by side."""
    wanted = share * sum(each.harm.times for each in harmers)
    wait_until(
        lambda: sum(each.done for each in harmers) >= wanted, 240.0,
        lambda: str({each.harm.kind: each.done for each in harmers}),
    )  # fmt: skip


def harms(lease_seconds: float, *, rounds: int = 1) -> tuple[Harm, ...]:
    """What is done in a run; a round takes a minute and has more than the least number of each kill."""
    return (
        Harm("store", rounds * (LEAST + 1), (2.0, 6.0)),
        Harm("queue", rounds * (LEAST + 2), (2.0, 8.0)),
        Harm("receiver", rounds * (LEAST + 1), (4.0, 9.0)),
        Harm("worker", rounds * 2 * (LEAST + 1), (1.0, 5.0)),
        Harm("standstill", rounds * 4, (1.0, 8.0), still_seconds=2 * lease_seconds),
    )


def wait_for_endings(system: System, uploads: Sequence[Upload]) -> None:
    """Until the newest version of every upload has its ending and the queue is empty.

    The deadline moves with progress: it fails only when nothing has ended for a while.
    """
    newest = {upload.place: upload for upload in uploads}.values()
    missing = {_record_key(upload) for upload in newest}
    deadline = time.monotonic() + STALLED_SECONDS
    while missing:
        left = missing - _endings(system)
        if left < missing:
            missing, deadline = left, time.monotonic() + STALLED_SECONDS
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(missing)} never ended: {sorted(missing)[:5]}\n{system.stuck()}")
        time.sleep(1.0)
    wait_until(system.at_rest, STALLED_SECONDS, system.stuck)


def _record_key(upload: Upload) -> str:
    identifier = task_id(upload.function, upload.bucket, upload.key, upload.etag)
    return f"records/{upload.function}/{identifier}.json"


def _endings(system: System) -> set[str]:
    try:
        return set(list_keys(system.client, PLATFORM, "records/"))
    except (BotoCoreError, ClientError):
        return set()  # the store is being started again
