"""A function in two versions, what its results tell of them, and what changed in a cluster meanwhile."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.model.labels import PLAN, SCALER_MEMORY, short_digest
from tests.e2e.evidence import Collector
from tests.e2e.kubernetes import picture
from tests.e2e.kubernetes.site import FUNCTIONS, PLATFORM, Site, wait_until

NAME = "renewed"
UPLOADS, RESULTS = "renewed-in", "renewed-out"
THREADS = 4
# The first image has no nats-server in it, the second has.
IMAGES = ("headrace-test-debian", "headrace-test-nats")
MEBIBYTES = (64, 96)
CPU = ("50m", "60m")
VERSIONS = tuple(zip(IMAGES, MEBIBYTES, strict=True))
FILES, FIRST, LAST = 1_000, 600, 100  # the first before the second version comes, the last once it is there
SCRIPT = """set -eu
sleep 0.03
[ -e /usr/bin/nats-server ] && image=headrace-test-nats || image=headrace-test-debian
limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes)
printf '{"task": "%s", "image": "%s", "mebibytes": %d}' \\
  "$HEADRACE_TASK_ID" "$image" $((limit / 1048576)) >"$TMP_OUTPUT_DIR/${INPUT_FILE_PATH##*/}.json"
"""
# Everything that a stack or the services make, but for what the services write down of their work.
KINDS = (
    "deployments,statefulsets,services,secrets,configmaps,serviceaccounts,persistentvolumeclaims,"
    "networkpolicies,roles,rolebindings,poddisruptionbudgets,functions,buckets"
)
NOTES = frozenset({PLAN, SCALER_MEMORY})
# A line of `pulumi up`: type and name, which here starts with what the resource is.
CHANGED = re.compile(r"^ [+~-]{1,2} +(\S+) +(?:\S+/)?(\S+) ", re.MULTILINE)
COUNTED = re.compile(r"^ +[+~-]{1,2} (\d+ \w+)$", re.MULTILINE)  # of its summary, what changed

Place = tuple[str, str]  # bucket and key
Version = tuple[str, int]  # an image, and a memory limit in MiB
Objects = Mapping[tuple[str, str, str], str]  # namespace, kind, name -> what identifies its content


@dataclass(frozen=True, slots=True)
class Course:
    """What was there before, what Pulumi told of the upgrade, the digests of both versions."""

    before: Objects
    told: str
    digests: tuple[str, str]


def run(site: Site, client: Any) -> Course:
    """Change the version while files are worked and others come; back once all are done."""
    deploy(site, 0)
    old = site.status(NAME)["digest"]
    upload(client, range(FIRST))
    wait_until(lambda: done(site) >= FIRST // 3, f"a third of {FIRST} files is done")
    before = objects(site)
    picture.take(site.box)
    with ThreadPoolExecutor(1) as beside:
        uploading = beside.submit(upload, client, range(FIRST, FILES - LAST))
        told = deploy(site, 1)
        uploading.result()
    upload(client, range(FILES - LAST, FILES))
    wait_until(lambda: done(site) == FILES, f"{FILES} files are done")
    copy = f"{NAME}-{short_digest(old)}"  # the last that goes, after the pods that read it
    wait_until(lambda: site.get("configmaps", copy) is None, "the old version's own objects are gone")
    return Course(before, told, (old, site.status(NAME)["digest"]))


def done(site: Site) -> int:
    """How many of its files the function's status says are done."""
    found: int = site.status(NAME).get("done", 0)
    return found


def deploy(site: Site, version: int) -> str:
    """Bring the function up in its first (0) or second (1) version, as a person does; what Pulumi told."""
    folder = site.functions.folder / NAME
    folder.mkdir(exist_ok=True)
    (folder / "script.sh").write_text(SCRIPT)
    (folder / "function.yaml").write_text(json.dumps(_document(version)))  # JSON is YAML
    site.functions.configure(
        functions=["echo", NAME],
        images={"echo": site.images["echo"], NAME: site.images[IMAGES[version]]},
        buckets={name: {"onDelete": "delete"} for name in (UPLOADS, RESULTS)},
    )
    return site.functions.up()


def _document(version: int) -> dict[str, Any]:
    return {
        "apiVersion": "headrace.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": NAME},
        "spec": {
            "run": {"script": "script.sh"},
            "input": [{"bucket": UPLOADS}],
            "output": [{"bucket": RESULTS}],
            "resources": {
                "cpu": CPU[version],
                "memory": f"{MEBIBYTES[version]}Mi",
                "ephemeralStorage": "64Mi",
            },
            "scale": {"maxWaitSeconds": 0, "idleSeconds": 5, "maxWorkers": 4},
            "security": {"runAsUser": 1000},
        },
    }


def upload(client: Any, numbers: Iterable[int]) -> None:
    """Put one small file for each number."""

    def put(number: int) -> None:
        client.put_object(Bucket=UPLOADS, Key=f"{number:04}.txt", Body=f"{number}".encode())

    with ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(put, numbers):
            pass


@dataclass(frozen=True, slots=True)
class Found:
    """What a run left. `versions`: by a record's digest how often its results tell which image and limit."""

    done: int
    not_done: int
    results: int
    foreign: Sequence[Place]  # results that are not what the record of their task says
    versions: Mapping[str, Counter[Version]]


def gather(client: Any, platform_bucket: str, journal: Path) -> Found:
    """Read all records of the function and all its results."""
    collector = Collector(client, platform=platform_bucket, result_buckets=[RESULTS], journal=journal)
    evidence = collector.gather(())
    prefix = f"records/{NAME}/"
    records = [json.loads(body) for key, body in evidence.records.items() if key.startswith(prefix)]
    good = [record for record in records if record["state"] == "done"]
    versions: dict[str, Counter[Version]] = defaultdict(Counter)
    foreign = set(evidence.results)
    for record in good:
        for place, version in _results(record, evidence.results):
            foreign.discard(place)
            versions[record["functionDigest"]][version] += 1
    return Found(len(good), len(records) - len(good), len(evidence.results), sorted(foreign), versions)


def _results(record: Any, results: Mapping[Place, bytes]) -> Iterator[tuple[Place, Version]]:
    """Where a record's results are, and the version that wrote each; only those that are as it says."""
    for output in record["outputs"]:
        place = (output["bucket"], output["key"])
        body = results.get(place, b"{}")
        told = json.loads(body)
        if (told.get("task"), _md5(body)) == (record["task"]["id"], output["etag"]):
            yield place, (told["image"], told["mebibytes"])


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def objects(site: Site) -> Objects:
    """All that a stack has, each with what tells one state of it from another."""
    found = {}
    for namespace in (PLATFORM, FUNCTIONS):
        for each in site.get(KINDS, namespace=namespace):
            name = each["metadata"]["name"]
            if name not in NOTES:
                found[namespace, each["kind"], name] = _state(each)
    return found


def _state(manifest: dict[str, Any]) -> str:
    """Its identity and content; not its status, nor who wrote it when."""
    content = {key: value for key, value in manifest.items() if key not in ("status", "metadata")}
    meta = manifest["metadata"]
    kept = {key: meta.get(key) for key in ("uid", "labels", "annotations", "finalizers")}
    return json.dumps([kept, content], sort_keys=True)


def changed(before: Objects, after: Objects) -> set[tuple[str, str]]:
    """Kind and name of what came, went or is another."""
    places = {place for place in {*before, *after} if before.get(place) != after.get(place)}
    return {(kind, name) for _, kind, name in places}


def told_changed(output: str) -> set[tuple[str, str]]:
    """Kind and name of the resources that `pulumi up` says it changed."""
    found = CHANGED.findall(output)
    return {(kind.rpartition(":")[2], name.rpartition("/")[2]) for kind, name in found}


def told_counts(output: str) -> Sequence[str]:
    """How many resources the summary of `pulumi up` says it created, updated and so on."""
    return COUNTED.findall(output)
