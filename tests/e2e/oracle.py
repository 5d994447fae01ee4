"""Judges a run by what it left behind. Shares no code with the system: its only knowledge is the layout.

The platform bucket holds one ending a task at `records/<function>/<task id>.json`; `state` is `done` or says
why not. A failed one has an index object `failures/<function>/<task id>`. A done one names its outputs, each
with the bucket and key where it is published. The functions of the tests write a nonce of the attempt into
every output, and a start and a finish line with the nonce, the input's MD5 and each output's SHA-256 into a
journal outside the system. `judge` compares the four: uploads, endings, published objects, journal.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MEANT = "meant to fail"  # what a function that is to fail gives as its reason, or prints


class Expected(StrEnum):
    """How an upload is meant to end."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """An acknowledged upload: one task of one function. `etag` is the MD5 of its bytes."""

    function: str
    bucket: str
    key: str
    etag: str
    expected: Expected = Expected.DONE

    @property
    def place(self) -> tuple[str, str, str]:
        """What a later upload overwrites."""
        return self.function, self.bucket, self.key


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a run left: `uploads` in their order, objects by key, the lines of the journal."""

    uploads: tuple[Upload, ...]
    records: Mapping[str, bytes]
    failures: frozenset[str]
    results: Mapping[tuple[str, str], bytes]
    journal: tuple[Mapping[str, Any], ...]


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"  # an upload without an ending
    TWICE = "twice"  # an upload with two endings
    STRANGER = "stranger"  # an ending that no upload accounts for
    UNREADABLE = "unreadable"  # an ending that is no document of the layout
    WRONG_ENDING = "wrong ending"  # failed where it should be done, or the other way about
    WRONG_REASON = "wrong reason"  # failed, but not for the cause that the function gave
    UNLISTED = "unlisted"  # a failure record without its index object
    MISSING = "missing"  # a record names a key that is not there
    WRONG_BYTES = "wrong bytes"  # a key holds something else than the attempt wrote
    MIXED = "mixed"  # one record's keys hold the work of two attempts
    UNFINISHED = "unfinished"  # a record of an attempt that never finished on this input
    INCOMPLETE = "incomplete"  # a record names fewer or more outputs than the attempt wrote
    ORPHAN = "orphan"  # a published key that no record names


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and with what."""

    kind: Kind
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`extra_starts`: of handlers, beyond one for each file that is done; counted, no fault."""

    faults: tuple[Fault, ...]
    uploads: int
    done: int
    failed: int
    superseded: int
    starts: int
    extra_starts: int

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def __str__(self) -> str:
        counts = Counter(fault.kind.value for fault in self.faults)
        shown = [f"  {fault.kind.value}: {fault.what}" for fault in self.faults[:20]]
        return "\n".join([f"{len(self.faults)} faults {dict(counts)}", *shown])


@dataclass(frozen=True, slots=True)
class _Ending:
    """A readable ending, and the upload that it belongs to."""

    key: str
    upload: Upload
    document: Mapping[str, Any]

    @property
    def state(self) -> str:
        return self.document["state"]

    @property
    def task(self) -> str:
        return self.document["task"]["id"]


def judge(evidence: Evidence) -> Verdict:
    """Every fault of a run."""
    endings, faults = _read_endings(evidence)
    faults += _count_endings(evidence.uploads, endings)
    last = {upload.place: upload for upload in evidence.uploads}
    finishes = _finishes(evidence.journal)
    for ending in endings:
        current = last[ending.upload.place] == ending.upload
        faults += _judge_state(ending, evidence.failures, current=current)
        if ending.state == "done":
            faults += _judge_done(ending, evidence.results, finishes[ending.task], current=current)
    faults += _orphans(endings, evidence.results)
    return _verdict(evidence, endings, faults)


def _verdict(evidence: Evidence, endings: list[_Ending], faults: list[Fault]) -> Verdict:
    states = Counter(ending.state for ending in endings)
    starts = Counter(line["task"] for line in evidence.journal if line["what"] == "start")
    done = [ending.task for ending in endings if ending.state == "done"]
    return Verdict(
        faults=tuple(faults),
        uploads=len(evidence.uploads),
        done=states["done"],
        failed=states["failed"],
        superseded=states["superseded"],
        starts=starts.total(),
        extra_starts=sum(max(0, starts[task] - 1) for task in done),
    )


# Endings and uploads


def _read_endings(evidence: Evidence) -> tuple[list[_Ending], list[Fault]]:
    known = {(*upload.place, upload.etag): upload for upload in evidence.uploads}
    endings, faults = [], []
    for key, body in evidence.records.items():
        try:
            document = json.loads(body)
            task = document["task"]
            identity = task["function"], task["bucket"], task["key"], task["etag"]
            readable = key == f"records/{task['function']}/{task['id']}.json" and document["state"]
        except (ValueError, KeyError, TypeError):
            readable = False
        if not readable:
            faults.append(Fault(Kind.UNREADABLE, key))
        elif identity not in known:
            faults.append(Fault(Kind.STRANGER, f"{key}: {identity}"))
        else:
            endings.append(_Ending(key, known[identity], document))
    return endings, faults


def _count_endings(uploads: tuple[Upload, ...], endings: list[_Ending]) -> Iterator[Fault]:
    """One ending an upload. One that was overwritten may have been replaced before anybody saw it."""
    by_upload: dict[Upload, list[str]] = defaultdict(list)
    for ending in endings:
        by_upload[ending.upload].append(ending.key)
    last = {upload.place: upload for upload in uploads}
    for upload in uploads:
        if not by_upload[upload] and last[upload.place] == upload:
            yield Fault(Kind.LOST, str(upload))
        if len(by_upload[upload]) > 1:
            yield Fault(Kind.TWICE, f"{upload}: {by_upload[upload]}")


def _judge_state(ending: _Ending, failures: frozenset[str], *, current: bool) -> Iterator[Fault]:
    allowed = {ending.upload.expected.value} if current else {ending.upload.expected.value, "superseded"}
    if ending.state not in allowed:
        reason = ending.document.get("reason", "")
        yield Fault(Kind.WRONG_ENDING, f"{ending.key}: {ending.state} ({reason}), allowed {sorted(allowed)}")
    told = f"{ending.document.get('reason', '')}\n{ending.document.get('log', '')}"
    if ending.state == "failed" and MEANT not in told:
        yield Fault(Kind.WRONG_REASON, f"{ending.key}: {told}")
    if ending.state == "failed" and f"failures/{ending.upload.function}/{ending.task}" not in failures:
        yield Fault(Kind.UNLISTED, ending.key)


# Outputs and the attempt that wrote them

_Finishes = Mapping[str, Mapping[str, Any]]  # one task's finish lines by nonce


def _finishes(journal: tuple[Mapping[str, Any], ...]) -> Mapping[str, _Finishes]:
    by_task: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for line in journal:
        if line["what"] == "finish":
            by_task[line["task"]][line["nonce"]] = line
    return by_task


def _judge_done(
    ending: _Ending, results: Mapping[tuple[str, str], bytes], finishes: _Finishes, *, current: bool
) -> Iterator[Fault]:
    """A record's outputs against what its keys hold. The keys of an overwritten input are its successor's."""
    number = str(ending.document["attemptNumber"])
    fitting = {
        nonce: line
        for nonce, line in finishes.items()
        if line["attempt"] == number and line["input"] == ending.upload.etag
    }
    if not fitting:
        yield Fault(Kind.UNFINISHED, f"{ending.key}: attempt {number}")
        return
    names = sorted(output["name"] for output in ending.document["outputs"])
    if not any(sorted(line["outputs"]) == names for line in fitting.values()):
        yield Fault(Kind.INCOMPLETE, f"{ending.key}: names {names}")
    if current:
        yield from _judge_outputs(ending, results, fitting)


def _judge_outputs(
    ending: _Ending, results: Mapping[tuple[str, str], bytes], fitting: _Finishes
) -> Iterator[Fault]:
    nonces = set()
    for output in ending.document["outputs"]:
        place = output["bucket"], output["key"]
        body = results.get(place)
        if body is None:
            yield Fault(Kind.MISSING, f"{ending.key}: {place}")
            continue
        nonce = _nonce(body)
        nonces.add(nonce)
        written = fitting.get(nonce, {}).get("outputs", {}).get(output["name"])
        if written != hashlib.sha256(body).hexdigest():
            yield Fault(Kind.WRONG_BYTES, f"{ending.key}: {place} holds nonce {nonce}")
        elif output["etag"] != _md5(body) or output["size"] != len(body):
            yield Fault(Kind.WRONG_BYTES, f"{ending.key}: {place} is not what the record describes")
    if len(nonces) > 1:
        yield Fault(Kind.MIXED, f"{ending.key}: {sorted(nonces)}")


def _nonce(body: bytes) -> str:
    try:
        return str(json.loads(body)["nonce"])
    except (ValueError, KeyError, TypeError):
        return ""


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _orphans(endings: list[_Ending], results: Mapping[tuple[str, str], bytes]) -> Iterator[Fault]:
    named = {
        (output["bucket"], output["key"])
        for ending in endings
        if ending.state == "done"
        for output in ending.document["outputs"]
    }
    for place in sorted(set(results) - named):
        yield Fault(Kind.ORPHAN, str(place))
