"""The functions of the chaos: no output, one, two. Each attempt keeps a journal outside the system.

An input whose first line says `"fail": true` makes them fail, until the switch file is there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

UPLOADS, RESULTS, OTHER_RESULTS = "uploads", "results", "other-results"

ATTEMPTS = 2  # of a file, before it is given up


class Shape(StrEnum):
    """What a function gives for a file."""

    NONE = "none"  # a handler without outputs
    SINGLE = "single"  # a script with one
    PAIR = "pair"  # a handler with two, to two buckets


FUNCTIONS: Mapping[str, Shape] = {shape.value: shape for shape in Shape}

HANDLER = '''"""Works files, and tells a journal outside the system about it."""

import hashlib
import json
import os
import random
import time
import uuid


class Work:
    def __init__(self):
        self.journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __call__(self, files):
        for file in files:
            self.work(file)

    def work(self, file):
        data = file.input.read_bytes()
        entry = {
            "task": file.task_id, "attempt": str(file.attempt), "nonce": uuid.uuid4().hex, "pid": os.getpid(),
            "input": hashlib.md5(data).hexdigest(),
        }
        self.note("start", entry)
        time.sleep(random.uniform(*map(float, os.environ["SECONDS"].split())))
        if b\'"fail": true\' in data[:100] and not os.path.exists(os.environ["SWITCH"]):
            raise ValueError("meant to fail")
        outputs = {}
        for suffix in os.environ["SUFFIXES"].split():
            name = file.input.name + suffix
            content = json.dumps({**entry, "name": name}).encode()
            (file.output / name).write_bytes(content)
            outputs[name] = hashlib.sha256(content).hexdigest()
        self.note("finish", {**entry, "outputs": outputs})

    def note(self, what, entry):
        os.write(self.journal, json.dumps({"what": what, **entry}).encode() + b"\\n")
'''

# One printf is one write, so lines of several processes never mix.
SCRIPT = """set -eu
nonce=$(cat /proc/sys/kernel/random/uuid)
input=$(md5sum <"$INPUT_FILE_PATH" | cut -d' ' -f1)
common=$(printf '"task": "%s", "attempt": "%s", "nonce": "%s", "pid": %d, "input": "%s"' \\
  "$HEADRACE_TASK_ID" "$HEADRACE_ATTEMPT" "$nonce" $$ "$input")
printf '{"what": "start", %s}\\n' "$common" >>"$JOURNAL"
sleep 0.01
if head -c 100 "$INPUT_FILE_PATH" | grep -q '"fail": true' && [ ! -e "$SWITCH" ]; then
  echo 'meant to fail' >&2
  exit 3
fi
name="${INPUT_FILE_PATH##*/}.out"
printf '{%s}' "$common" >"$TMP_OUTPUT_DIR/$name"
sum=$(sha256sum <"$TMP_OUTPUT_DIR/$name" | cut -d' ' -f1)
printf '{"what": "finish", %s, "outputs": {"%s": "%s"}}\\n' "$common" "$name" "$sum" >>"$JOURNAL"
"""


@dataclass(frozen=True, slots=True)
class Work:
    """Where the functions' own files lie, outside the system, and how long a handler computes."""

    journal: Path
    switch: Path
    seconds: tuple[float, float] = (0.005, 0.02)


def write_functions(folder: Path, work: Work, functions: Mapping[str, Shape]) -> None:
    """Write functions, by name, below a folder."""
    for name, shape in functions.items():
        own = folder / name
        own.mkdir(parents=True)
        code = ("script.sh", SCRIPT) if shape is Shape.SINGLE else ("work.py", HANDLER)
        (own / code[0]).write_text(code[1])
        document = {
            "apiVersion": "headrace.dev/v1alpha1", "kind": "Function",
            "metadata": {"name": name}, "spec": _spec(name, shape, work),
        }  # fmt: skip
        (own / "function.yaml").write_text(json.dumps(document, indent=2))  # JSON is YAML


def _spec(name: str, shape: Shape, work: Work) -> dict:
    script = shape is Shape.SINGLE
    return {
        "run": {"script": "script.sh"} if script else {"handler": "work:Work"},
        "input": [{"bucket": UPLOADS, "prefix": f"{name}/"}],
        "output": [{**destination, "prefix": f"{name}/"} for destination in _DESTINATIONS[shape]],
        "resources": {"memory": "256Mi"},
        "batch": {"maxFiles": 1 if script else 4},
        "delivery": {"timeoutSeconds": 20, "attempts": ATTEMPTS},
        "environment": {
            "JOURNAL": str(work.journal),
            "SWITCH": str(work.switch),
            "SUFFIXES": ".a .b" if shape is Shape.PAIR else "",
            "SECONDS": " ".join(map(str, work.seconds)),
        },
    }


_DESTINATIONS: Mapping[Shape, Sequence[dict]] = {
    Shape.NONE: (),
    Shape.SINGLE: ({"bucket": RESULTS},),
    Shape.PAIR: ({"bucket": RESULTS, "suffix": [".a"]}, {"bucket": OTHER_RESULTS, "suffix": [".b"]}),
}
