"""One script on one file, under OSCAR's own supervisor and under a worker: what comes out of each."""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headrace.catalog.folder import load_function
from headrace.cli.function_trying import try_file
from headrace.model.record import FailureRecord
from headrace.model.settings import StorageSettings
from headrace.storage.s3 import S3Storage
from tests.bench.oscar import Oscar

SOURCE, RESULTS = "side-in", "side-out"


@dataclass(frozen=True, slots=True)
class Case:
    """A script, the file that starts it (its key below the input's prefix) and the function's settings.

    `filters` are OSCAR's: `prefix` and `suffix` of the output.
    """

    script: str
    key: str = "sample.txt"
    content: bytes = b"one two three\nfour\n"
    variables: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """Published files by their keys below the output's prefix; `failure` is the reason, empty: done."""

    files: Mapping[str, bytes]
    failure: str = ""
    printed: str = ""


async def by_oscar(python: Path, store: StorageSettings, case: Case) -> Result:
    """Through a real store; a job that fails says so on its last line."""
    mark, storage = secrets.token_hex(4), S3Storage(store)
    try:
        for bucket in (SOURCE, RESULTS):
            await storage.ensure_bucket(bucket)
        key = f"{mark}/in/{case.key}"
        await storage.put(SOURCE, key, case.content)
        job = Oscar(
            python, case.script, store, SOURCE, f"{RESULTS}/{mark}", case.filters,
            {"LOG_LEVEL": "CRITICAL", **case.variables},
        )  # fmt: skip
        failure, printed = "", ""
        try:
            printed = await asyncio.to_thread(job.work, key)
        except RuntimeError as error:
            failure = str(error).strip().rpartition("\n")[2]
        found = [info.key async for info in storage.list(RESULTS, f"{mark}/")]
        files = {each.removeprefix(f"{mark}/"): await storage.read(RESULTS, each) for each in found}
        return Result(files, failure, printed)
    finally:
        await storage.close()


async def by_headrace(base: Path, case: Case) -> Result:
    """Through the worker's own code and a store in memory; `base` is an empty folder."""
    folder, file = base / "script", base / "file"
    folder.mkdir()
    (folder / "function.yaml").write_text(json.dumps(_function(case)))  # JSON is YAML
    (folder / "script.sh").write_text(case.script)
    file.write_bytes(case.content)
    tried = await try_file(load_function(folder), file, f"in/{case.key}", base)
    record = tried.record
    if isinstance(record, FailureRecord):
        return Result({}, record.reason, record.log)
    keys = {output.name: output.key.removeprefix("out/") for output in record.outputs}
    return Result({keys[name]: body for name, body in tried.outputs.items()}, "", record.log)


def _function(case: Case) -> Mapping[str, object]:
    names = {"prefix": "namePrefix", "suffix": "suffix"}
    filters = {names[kind]: list(texts) for kind, texts in case.filters.items()}
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "script"},
        "spec": {
            "run": {"script": "script.sh"},
            "input": [{"bucket": SOURCE, "prefix": "in/"}],
            "output": [{"bucket": RESULTS, "prefix": "out/", "keepFolders": False, **filters}],
            "environment": dict(case.variables),
        },
    }
