"""Names in sentences and tables: files, variables and fields that have to be there."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache

from tests.documents.keys import is_field, starts_one
from tests.documents.reading import ROOT, Quoted

_FOLDERS = ("ansible", "docs", "functions", "headrace", "images", "infra", "stacks", "tests", "tools")
_PATH = re.compile(rf"(?:{'|'.join(_FOLDERS)})/[\w./*-]*")
_VARIABLE = re.compile(r"HEADRACE_[A-Z][A-Z_]*[A-Z]")
_FILE_OR_DOMAIN = (".py", ".json", ".yaml", ".yml", ".sh", ".md", ".dev")
_FIELD = re.compile(r"[a-z][A-Za-z0-9]*(?:\.(?:[a-z][A-Za-z0-9]*|<[a-z]+>|[A-Z]+))+")


def faults_of(quoted: Quoted) -> Iterator[str]:
    text = quoted.text
    if _PATH.fullmatch(text) and not any(ROOT.glob(text.rstrip("/"))):
        yield f"the checkout has no {text}"
    yield from (f"nothing reads {name}" for name in _VARIABLE.findall(text) if name not in source())
    if (
        _FIELD.fullmatch(text)
        and not text.endswith(_FILE_OR_DOMAIN)
        and starts_one(text)
        and not is_field(text)
    ):
        yield f"no model has the field {text}"


@cache
def source() -> str:
    """All that this project runs, but for tests of the docs."""
    ask = ["git", "grep", "-l", "HEADRACE_", "--", "*.py", "*.sh", "Makefile", "ansible", ":!tests/unit"]
    files = subprocess.run(ask, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return "\n".join((ROOT / file).read_text() for file in files if not file.endswith(".md"))
