"""The templates of `headrace function new`: what each is for, and its files. `{{name}}`: the function's.

Each has a sample and what is expected of it, so that `headrace function test` passes at once.
"""

from collections.abc import Mapping

_HEAD = """\
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata:
  name: "{{name}}"
spec:
"""

_REST = """\
  input:
    - bucket: uploads
      prefix: {{name}}/
  output:
    - bucket: results
      prefix: {{name}}/
  resources:
    cpu: "1"
    memory: 512Mi
"""

_SCRIPT = """\
#!/bin/sh
# Run once for each file. What lies in $TMP_OUTPUT_DIR at the end is the result; an exit status other than 0
# is a failed attempt.
set -eu
name=$(basename "$INPUT_FILE_PATH")
wc -c <"$INPUT_FILE_PATH" | tr -d ' ' >"$TMP_OUTPUT_DIR/$name.size.txt"
"""

_HANDLER = '''\
"""Writes the size and the SHA-256 of each file."""

import hashlib
import json


class Handler:
    """Made once a worker, so load models here; called with batches of files."""

    def __init__(self):
        self.files = 0

    def __call__(self, files):
        """`file.input` is the file, `file.output` an empty folder for results; an error fails the batch."""
        for file in files:
            data = file.input.read_bytes()
            self.files += 1
            result = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "worked": self.files}
            (file.output / f"{file.input.name}.json").write_text(json.dumps(result))
'''

_SERVER = '''\
"""Answers each file that is posted with its size and its SHA-256."""

import hashlib
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Load models before the server listens: no file comes before that."""

    def do_POST(self):
        """The body is the file, the answer is its result; a status other than 2xx is a failed attempt."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        result = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        body = json.dumps(result).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
'''

_CONTAINERFILE = """\
# The image for a cluster. `make images` builds it: it names BASE, and lays this folder into function/.
ARG BASE
FROM ${BASE}
COPY function /function
WORKDIR /function
USER 65532:65532
"""
_PACKAGES = """\
# With a requirements.txt that locks packages by hash, take these two lines in: they bring what it names.
# COPY packages /packages
# ENV PYTHONPATH=/packages
"""
_IDLE = """CMD ["python3", "-c", "print('the worker beside it starts the runner')"]\n"""
_SERVES = """CMD ["python3", "server.py"]\n"""

_IGNORED = """\
# No part of the function: a change of these starts no new workers.
README.md
Containerfile
samples
expected
"""

_README = """\
# {{name}}

Takes each file that is put into the bucket `uploads` below `{{name}}/`, and puts its result into the bucket
`results`, below `{{name}}/` too.

| file | is |
|---|---|
| `function.yaml` | what starts it, where results go, what one worker needs |
| `CODE` | what it does |
| `samples/`, `expected/` | files to try it on, and what is to come of each |
| `Containerfile` | its image, for a cluster |

NEXT
`headrace function test` compares what comes of the samples with what is expected; with `--accept` it writes
what comes as what is expected.

On a cluster: `make images` builds the image, `{{name}}` in the list `functions` of the functions' stack names
it, and `pulumi -C functions up` deploys it.
"""
_NEXT = """\
Next:

    headrace function test {{folder}}     # its samples, without any server
    headrace up                           # in a second terminal: the stack on this machine
    headrace run {{name}} {{folder}}/samples/hello.txt

"""
_NEXT_SERVED = """\
Next:

    headrace function test {{folder}} --serve "python3 server.py"    # its samples, posted as a worker does
    headrace function check {{folder}}
    make images                           # a container is needed to serve: it runs on a cluster

"""
_SAMPLE = "hello\n"
_SHA256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"


def _readme(code: str, following: str) -> str:
    return _README.replace("CODE", code).replace("NEXT\n", following)


ABOUT: Mapping[str, str] = {
    "script": "a shell script, run once a file; in any image",
    "handler": "a Python class, loaded once a worker, called with batches of files",
    "http": "an image that serves: each file is posted to it (on a cluster)",
}
FILES: Mapping[str, Mapping[str, str]] = {
    "script": {
        "function.yaml": f"{_HEAD}  run:\n    script: script.sh\n{_REST}",
        "script.sh": _SCRIPT,
        "README.md": _readme("script.sh", _NEXT),
        "samples/hello.txt": _SAMPLE,
        "expected/hello.txt/hello.txt.size.txt": "6\n",
        "Containerfile": _CONTAINERFILE + _IDLE,
        ".headraceignore": _IGNORED,
    },
    "handler": {
        "function.yaml": f'{_HEAD}  run:\n    handler: "handler:Handler"\n{_REST}',
        "handler.py": _HANDLER,
        "README.md": _readme("handler.py", _NEXT),
        "samples/hello.txt": _SAMPLE,
        "expected/hello.txt/hello.txt.json": f'{{"bytes": 6, "sha256": "{_SHA256}", "worked": 1}}',
        "Containerfile": _CONTAINERFILE + _PACKAGES + _IDLE,
        ".headraceignore": _IGNORED,
    },
    "http": {
        "function.yaml": f"{_HEAD}  run:\n    http: {{port: 8080, path: /}}\n{_REST}",
        "server.py": _SERVER,
        "README.md": _readme("server.py", _NEXT_SERVED),
        "samples/hello.txt": _SAMPLE,
        "expected/hello.txt/hello.txt.json": f'{{"bytes": 6, "sha256": "{_SHA256}"}}',
        "Containerfile": _CONTAINERFILE + _SERVES,
        ".headraceignore": _IGNORED,
    },
}
