"""A checkout in a folder of a test: stacks' files of both projects, and one function."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FUNCTION = """
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata: {name: stamp}
spec: {run: {script: script.sh}, input: [{bucket: uploads}], output: [{bucket: results}], secrets: [token]}
"""
SCRIPT = "#!/bin/sh\ndate\n"


@dataclass(frozen=True)
class Checkout:
    """Both projects with their stacks `test`."""

    folder: Path

    def platform(self, **values: Any) -> None:
        """Write the platform's stack."""
        self._write("stacks", "headrace", values)

    def functions(self, **values: Any) -> None:
        """Write the functions' stack, and a function."""
        folder = self.folder / "functions" / "stamp"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "function.yaml").write_text(FUNCTION)
        (folder / "script.sh").write_text(SCRIPT)
        usual = {"platform": "organization/headrace/test", "functions": ["stamp"]}
        images = {"images": {"stamp": "debian:12"}}
        self._write("stacks/functions", "headrace-functions", {**usual, **images, **values})

    def _write(self, folder: str, project: str, values: dict[str, Any]) -> None:
        path = self.folder / folder / "Pulumi.test.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            yaml.safe_dump({"config": {f"{project}:{key}": value for key, value in values.items()}})
        )


def encrypted(ciphertext: str) -> dict[str, str]:
    """A value as Pulumi writes it where it is a secret."""
    return {"secure": f"v1:{ciphertext}"}
