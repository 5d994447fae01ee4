"""docs/policy.md tells every rule as it is, and the pack's folder is whole."""

import importlib.util
import re
from pathlib import Path

import yaml

from infra.policy.headrace_policy.rules import RULES

ROOT = Path(__file__).parents[2]
PACK = ROOT / "infra" / "policy"
PAGE = ROOT / "docs" / "policy.md"


def _tool():
    spec = importlib.util.spec_from_file_location("policy_reference", ROOT / "tools" / "policy_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_rules_is_current():
    text = PAGE.read_text(encoding="utf-8")
    assert text == _tool().page(text), "run `make docs`"
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == [rule.name for rule in RULES]


def test_no_row_breaks_the_table():
    assert not any("|" in each for rule in RULES for each in (rule.title, rule.looks_at, rule.refuses))


def test_the_pack_is_run_by_a_python_of_its_own():
    project = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text())
    assert project["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    assert (
        project["version"] == re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    )
    assert "pulumi-policy==" in (PACK / "requirements.txt").read_text()


def test_the_rules_import_nothing_but_the_standard_library_and_one_another():
    """So they run in the pack's Python and in the project's; only the edge needs Pulumi's SDK."""
    allowed = {
        "ast",
        "collections.abc",
        "dataclasses",
        "datetime",
        "fnmatch",
        "ipaddress",
        "json",
        "re",
        "typing",
    }
    for path in (PACK / "headrace_policy").glob("*.py"):
        found = set(re.findall(r"^(?:from|import) ([a-z_][a-z_.]*)", path.read_text(), re.MULTILINE))
        assert path.name == "pack.py" or found <= allowed, path.name
