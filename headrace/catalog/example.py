"""The files of a small working function, to begin with."""

from enum import StrEnum

from pydantic import ValidationError

from headrace.model.errors import ConfigurationError
from headrace.model.function import Metadata
from headrace.model.troubles import Trouble


class Kind(StrEnum):
    """How the example works a file."""

    SCRIPT = "script"
    HANDLER = "handler"


_FUNCTION = """\
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata:
  name: "{name}"
spec:
  run:
    {run}
  input:
    - bucket: uploads
      prefix: {name}/
  output:
    - bucket: results
      prefix: {name}/
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
wc -c <"$INPUT_FILE_PATH" >"$TMP_OUTPUT_DIR/$name.size.txt"
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

_README = """\
# {name}

Takes each file that is put into the bucket `uploads` below `{name}/`, and puts its result into the bucket
`results`, below `{name}/` too.

- `function.yaml` says what starts it, where results go, and what one worker needs.
- `{code}` is what it does.

Try it on one file, without any server:

    headrace function test {folder} --file FILE --output DIRECTORY

Then `headrace function check {folder}`, `headrace up`, and `headrace run {name} FILE`.
"""


def example(name: str, kind: Kind, *, folder: str) -> dict[str, str]:
    """File name -> content; `folder` is how its README calls the function's folder.

    Raises ConfigurationError where `name` can't be a function's name.
    """
    try:
        Metadata(name=name)
    except ValidationError as error:
        raise ConfigurationError(
            f"function name: found {name!r}, allowed at most 39 lower-case letters, digits and -, with no - "
            "at either end; choose such a name",
            trouble=Trouble.FUNCTION_NAME,
        ) from error
    if kind is Kind.HANDLER:
        code, content, run = "handler.py", _HANDLER, 'handler: "handler:Handler"'
    else:
        code, content, run = "script.sh", _SCRIPT, "script: script.sh"
    return {
        "function.yaml": _FUNCTION.format(name=name, run=run),
        code: content,
        "README.md": _README.format(name=name, code=code, folder=folder),
    }
