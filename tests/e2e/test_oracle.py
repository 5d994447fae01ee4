"""The oracle can fail: each kind of doctored evidence is found, and sound evidence is not."""

import ast
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.oracle import Evidence, Expected, Kind, Upload, judge

DONE, BAD, EMPTY = "1" * 32, "2" * 32, "3" * 32  # task ids
OLD, NEW = "4" * 32, "5" * 32  # of a key that was overwritten


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def upload(key: str, content: str, expected: Expected = Expected.DONE) -> Upload:
    return Upload("pair", "uploads", key, md5(content.encode()), expected)


GOOD = upload("good", "g")
FAILING = upload("failing", "f", Expected.FAILED)
SILENT = upload("silent", "s")
FIRST, SECOND = upload("again", "v1"), upload("again", "v2")


def body(nonce: str, name: str) -> bytes:
    return json.dumps({"nonce": nonce, "name": name}).encode()


def task(identifier: str, of: Upload) -> dict[str, str]:
    return {"id": identifier, "function": of.function, "bucket": of.bucket, "key": of.key, "etag": of.etag}


def output(nonce: str, key: str, name: str) -> dict[str, object]:
    content = body(nonce, name)
    return {
        "name": name, "bucket": "results", "key": f"{key}.{name}", "etag": md5(content), "size": len(content),
    }  # fmt: skip


def done(identifier: str, of: Upload, nonce: str, *names: str) -> bytes:
    outputs = [output(nonce, of.key, name) for name in names]
    return json.dumps(
        {"state": "done", "task": task(identifier, of), "attemptNumber": 1, "outputs": outputs}
    ).encode()


def failed(identifier: str, of: Upload, state: str = "failed", log: str = "meant to fail\n") -> bytes:
    document = {"state": state, "task": task(identifier, of), "reason": "exit code 3", "log": log}
    return json.dumps(document).encode()


def line(what: str, identifier: str, of: Upload, nonce: str, *names: str) -> dict[str, object]:
    return {
        "what": what, "task": identifier, "attempt": "1", "nonce": nonce, "pid": 1, "input": of.etag,
        "outputs": {name: hashlib.sha256(body(nonce, name)).hexdigest() for name in names},
    }  # fmt: skip


def place(key: str, name: str) -> tuple[str, str]:
    return "results", f"{key}.{name}"


def record(identifier: str) -> str:
    return f"records/pair/{identifier}.json"


SOUND = Evidence(
    uploads=(GOOD, FAILING, SILENT, FIRST, SECOND),
    records={
        record(DONE): done(DONE, GOOD, "n1", "a", "b"),
        record(BAD): failed(BAD, FAILING),
        record(EMPTY): done(EMPTY, SILENT, "n3"),
        record(OLD): done(OLD, FIRST, "n4", "a"),
        record(NEW): done(NEW, SECOND, "n5", "a"),
    },
    failures=frozenset({f"failures/pair/{BAD}"}),
    results={
        place("good", "a"): body("n1", "a"),
        place("good", "b"): body("n1", "b"),
        place("again", "a"): body("n5", "a"),
    },
    journal=(
        line("start", DONE, GOOD, "n0"),
        line("start", DONE, GOOD, "n1"),
        line("finish", DONE, GOOD, "n0", "a", "b"),
        line("finish", DONE, GOOD, "n1", "a", "b"),
        line("start", BAD, FAILING, "n2"),
        line("start", EMPTY, SILENT, "n3"),
        line("finish", EMPTY, SILENT, "n3"),
        line("start", OLD, FIRST, "n4"),
        line("finish", OLD, FIRST, "n4", "a"),
        line("start", NEW, SECOND, "n5"),
        line("finish", NEW, SECOND, "n5", "a"),
    ),
)


def with_record(evidence: Evidence, key: str, document: bytes | None) -> Evidence:
    records = {k: v for k, v in evidence.records.items() if k != key}
    return replace(evidence, records=records if document is None else {**records, key: document})


def with_result(evidence: Evidence, where: tuple[str, str], content: bytes | None) -> Evidence:
    results = {k: v for k, v in evidence.results.items() if k != where}
    return replace(evidence, results=results if content is None else {**results, where: content})


def test_sound_evidence_is_clean_and_extra_starts_are_counted():
    verdict = judge(SOUND)
    assert verdict.faults == ()
    assert (verdict.uploads, verdict.done, verdict.failed, verdict.superseded) == (5, 4, 1, 0)
    assert (verdict.starts, verdict.extra_starts) == (6, 1)


@pytest.mark.parametrize("ending", [None, failed(OLD, FIRST, "superseded")])
def test_an_overwritten_upload_may_be_superseded_or_never_seen(ending):
    assert judge(with_record(SOUND, record(OLD), ending)).faults == ()


OTHER = "6" * 32
LIAR = json.loads(done(DONE, GOOD, "n1", "a", "b"))
LIAR["outputs"][0]["etag"] = md5(b"else")

DOCTORED: dict[str, tuple[Kind, Callable[[Evidence], Evidence]]] = {
    "no record": (Kind.LOST, lambda e: with_record(e, record(DONE), None)),
    "no failure record": (Kind.LOST, lambda e: with_record(e, record(BAD), None)),
    "no record of the last version": (Kind.LOST, lambda e: with_record(e, record(NEW), None)),
    "two records": (Kind.TWICE, lambda e: with_record(e, record(OTHER), done(OTHER, GOOD, "n1", "a", "b"))),
    "a record and a failure record": (
        Kind.TWICE,
        lambda e: with_record(e, record(OTHER), failed(OTHER, GOOD)),
    ),
    "a record of nothing uploaded": (
        Kind.STRANGER,
        lambda e: with_record(e, record(OTHER), done(OTHER, upload("good", "other bytes"), "n1", "a")),
    ),
    "a record that is no JSON": (Kind.UNREADABLE, lambda e: with_record(e, record(OTHER), b"{")),
    "a record under another task's key": (
        Kind.UNREADABLE,
        lambda e: with_record(e, record(OTHER), done(DONE, GOOD, "n1", "a", "b")),
    ),
    "a failure that should be done": (
        Kind.WRONG_ENDING,
        lambda e: with_record(e, record(DONE), failed(DONE, GOOD)),
    ),
    "the last version superseded": (
        Kind.WRONG_ENDING,
        lambda e: with_record(e, record(NEW), failed(NEW, SECOND, "superseded")),
    ),
    "done where it should fail": (
        Kind.WRONG_ENDING,
        lambda e: with_record(e, record(BAD), done(BAD, FAILING, "n2")),
    ),
    "a failure for another cause": (
        Kind.WRONG_REASON,
        lambda e: with_record(e, record(BAD), failed(BAD, FAILING, log="")),
    ),
    "a failure without its index": (Kind.UNLISTED, lambda e: replace(e, failures=frozenset())),
    "a key that is not there": (Kind.MISSING, lambda e: with_result(e, place("good", "a"), None)),
    "other bytes": (Kind.WRONG_BYTES, lambda e: with_result(e, place("good", "a"), b"rubbish")),
    "bytes cut short": (Kind.WRONG_BYTES, lambda e: with_result(e, place("good", "a"), body("n1", "a")[:-1])),
    "an ETag that does not fit": (
        Kind.WRONG_BYTES,
        lambda e: with_record(e, record(DONE), json.dumps(LIAR).encode()),
    ),
    "two attempts' outputs": (Kind.MIXED, lambda e: with_result(e, place("good", "a"), body("n0", "a"))),
    "the older version's output": (
        Kind.WRONG_BYTES,
        lambda e: with_result(e, place("again", "a"), body("n4", "a")),
    ),
    "an attempt that never finished": (
        Kind.UNFINISHED,
        lambda e: replace(e, journal=e.journal[:6] + e.journal[7:]),
    ),
    "an attempt on other input": (
        Kind.UNFINISHED,
        lambda e: replace(e, journal=(*e.journal[:6], line("finish", EMPTY, GOOD, "n3"), *e.journal[7:])),
    ),
    "a record with an output too few": (
        Kind.INCOMPLETE,
        lambda e: with_record(e, record(DONE), done(DONE, GOOD, "n1", "a")),
    ),
    "a published key that no record names": (
        Kind.ORPHAN,
        lambda e: with_result(e, place("good", "c"), body("n1", "c")),
    ),
}


@pytest.mark.parametrize("case", DOCTORED)
def test_doctored_evidence_is_found(case):
    kind, doctor = DOCTORED[case]
    assert kind in {fault.kind for fault in judge(doctor(SOUND)).faults}


def test_every_kind_of_fault_has_a_case():
    assert {kind for kind, _ in DOCTORED.values()} == set(Kind)


@pytest.mark.parametrize("module", ["oracle.py", "evidence.py"])
def test_the_judge_shares_no_code_with_the_system(module):
    tree = ast.parse((Path(__file__).parent / module).read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert names
    assert not [name for name in names if name.partition(".")[0] in {"headrace", "obstore"}]
    assert {name for name in names if name.startswith("tests.")} <= {"tests.e2e.oracle"}
