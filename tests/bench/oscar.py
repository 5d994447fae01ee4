"""OSCAR's own supervisor (faas-supervisor 1.5.2, PyPI), started once a file as OSCAR's jobs start it.

What a job does inside its container: `echo $EVENT | supervisor` downloads the input from the store, runs
the user's script by /bin/sh, and uploads what it wrote. Neither the container nor the job is part of it
here, so that the figure flatters OSCAR. Later versions' metadata are refused by installers.
https://github.com/grycap/faas-supervisor
"""

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_plus

from headrace.model.settings import StorageSettings

LOCK = Path(__file__).with_name("oscar.txt")
ECHO = """\
exec {python} -c '
import os, pathlib, sys
sys.path.insert(0, "{folder}")
from echo.classifier import Classifier
Classifier().work(pathlib.Path(os.environ["INPUT_FILE_PATH"]), pathlib.Path(os.environ["TMP_OUTPUT_DIR"]))
'
"""


def echo_script(folder: Path) -> str:
    """functions/echo, which lies in `folder`, as a script of OSCAR's."""
    return ECHO.format(python=sys.executable, folder=folder)


@dataclass(frozen=True, slots=True)
class Oscar:
    """A service of OSCAR's: a script, from the bucket `source` to the path `target` (bucket/prefix).

    `filters` are those of its one output, `variables` its environment.
    """

    python: Path
    script: str
    store: StorageSettings
    source: str
    target: str
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def work(self, key: str) -> str:
        """One file, from its event to its uploaded results; what was printed.

        Raises RuntimeError with that where the job fails, as it does not where only the script fails.
        """
        record = {
            "eventSource": "minio:s3",
            "eventTime": "2026-01-01T00:00:00Z",
            "s3": {
                "bucket": {"arn": f"arn:aws:s3:::{self.source}", "name": self.source},
                "object": {"key": quote_plus(key)},
            },
        }
        event = {"Key": f"{self.source}/{key}", "Records": [record]}
        ended = subprocess.run(
            [self.python, "-m", "faassupervisor.supervisor"],
            input=json.dumps(event).encode(), env=self._environment(), check=False, capture_output=True,
        )  # fmt: skip
        printed = (ended.stdout + ended.stderr).decode(errors="replace")
        if ended.returncode:
            raise RuntimeError(printed)
        return printed

    def _environment(self) -> dict[str, str]:
        credentials = {
            "endpoint": self.store.endpoint,
            "access_key": self.store.access_key,
            "secret_key": self.store.secret_key,
            "region": self.store.region,
        }
        output = {"storage_provider": "minio.default", "path": self.target, **self.filters}
        config = {  # JSON is YAML
            "input": [{"storage_provider": "minio.default", "path": self.source}],
            "output": [output],
            "storage_providers": {"minio": {"default": credentials}},
        }
        return {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            **self.variables,
            "FUNCTION_CONFIG": b64encode(json.dumps(config).encode()).decode(),
            "SCRIPT": b64encode(self.script.encode()).decode(),
        }


def install_supervisor(base: Path) -> Path:
    """A virtual environment of its own with the supervisor; its Python."""
    subprocess.run([sys.executable, "-m", "venv", base], check=True)
    python = base / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True)
    return python
