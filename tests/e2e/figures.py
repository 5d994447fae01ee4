"""The figures of a long run: kept as JSON, and shown whatever pytest captures."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

BUILD = Path(__file__).parents[2] / "build"  # ignored by git


def keep(report: Any, kind: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Write a report, a dataclass, to build/<kind>/<name>.json, and print it."""
    path = BUILD / kind / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(report), indent=2) + "\n")
    with capsys.disabled():
        print(f"\n{path.relative_to(BUILD.parent)}: {path.read_text()}", end="")
