"""The collection's roles: what they say of themselves agrees, and every option is documented."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.toolchain.places import CHECKOUT
from tools.roles_reference import README, ROLES, pages

PARTS = (
    "defaults/main.yml", "meta/main.yml", "meta/argument_specs.yml", "tasks/main.yml", "tasks/preflight.yml",
    "story.md", README,
)  # fmt: skip
SET_UP = ("tasks/install.yml", "tasks/configure.yml", "tasks/verify.yml")
RUN = ("tasks/configure.yml", "tasks/service.yml", "tasks/verify.yml")
MORE = {  # as the role is one to install, to configure, to run
    "cluster_node": (*SET_UP, *RUN, "handlers/main.yml"),
    "gpu_host": (*SET_UP, *RUN, "handlers/main.yml"),
    "gpu_server": (*SET_UP, *RUN, "handlers/main.yml"),
    "lupine_server": (*SET_UP, *RUN),
    "node_power": (*RUN, "handlers/main.yml"),
    "rcuda_client": SET_UP,
    "rcuda_server": (*SET_UP, *RUN),
    "versioned_archive": ("tasks/install.yml",),
}
NAMES = sorted(path.name for path in ROLES.iterdir())


def read(role: str, part: str) -> Any:
    return yaml.safe_load((ROLES / role / part).read_text())


def options(role: str) -> dict[str, Any]:
    found: dict[str, Any] = read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


@pytest.mark.parametrize("role", NAMES)
def test_a_role_has_every_part(role: str) -> None:
    assert [part for part in (*PARTS, *MORE[role]) if not (ROLES / role / part).is_file()] == []


@pytest.mark.parametrize("role", NAMES)
def test_specifications_agree_with_defaults_in_names_and_values(role: str) -> None:
    """Of one that is required the default is empty: whatever reads it says so instead of failing."""
    told = {name: option["default"] for name, option in options(role).items() if not option.get("required")}
    required = {name for name, option in options(role).items() if option.get("required")}
    defaults = read(role, "defaults/main.yml")
    assert {name: value for name, value in defaults.items() if name not in required} == told
    assert required <= defaults.keys()
    assert not any(defaults[name] for name in required)


INCLUDED = ("gpu_server", "versioned_archive")  # by other roles, which give them their options
UNCHANGED = {"node_power_bmc_interface"}  # the tests' BMCs speak IPMI 2.0 alone
PLAYS = (*(CHECKOUT / "tests/ansible").glob("test_*.py"), CHECKOUT / "tests/fixtures/joinable.py")


@pytest.mark.parametrize("role", [name for name in NAMES if name not in INCLUDED])
def test_every_option_has_another_value_than_its_default_in_some_test_of_real_hosts(role: str) -> None:
    given = [pair for path in PLAYS for pair in variables_in(ast.parse(path.read_text()))]
    defaults = read(role, "defaults/main.yml")
    changed = {name for name, value in given if name in defaults and value != defaults[name]}
    assert defaults.keys() - changed == UNCHANGED & defaults.keys()


def variables_in(tree: ast.AST) -> Iterator[tuple[str, Any]]:
    """Names and values of dictionaries and keyword arguments; what is no literal, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            named = [
                (key.value, value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            ]
        elif isinstance(node, ast.keyword):
            named = [(node.arg, node.value)]
        else:
            continue
        yield from ((str(name), literal(value)) for name, value in named)


def literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return ast.unparse(value)


@pytest.mark.parametrize("role", NAMES)
def test_every_variable_begins_with_the_roles_name(role: str) -> None:
    assert [name for name in options(role) if not name.startswith(f"{role}_")] == []


def test_pages_of_roles_are_up_to_date() -> None:
    stale = [str(path) for path, content in pages().items() if path.read_text() != content]
    assert stale == [], "run `make docs`"


@pytest.mark.parametrize("path", sorted(Path(ROLES).parent.rglob("*.yml"), key=str), ids=str)
def test_no_task_hides_a_failure_or_makes_up_a_change(path: Path) -> None:
    text = path.read_text()
    assert "ignore_errors" not in text
    assert "noqa" not in text
    made_up = [each for each in tasks_in(yaml.safe_load(text)) if each.get("changed_when") in (True, "true")]
    assert [each["name"] for each in made_up] == []


@pytest.mark.parametrize("role", NAMES)
def test_a_dry_run_looks_at_all_that_is_checked_before_anything_is_changed(role: str) -> None:
    """These modules do nothing in check mode unless they are told to."""
    looks = [task for task in preflight(role) if LOOKS & task.keys()]
    assert [task["name"] for task in looks if task.get("check_mode") is not False] == []


@pytest.mark.parametrize("role", NAMES)
def test_what_is_refused_before_anything_is_changed_says_so(role: str) -> None:
    refusals = [
        (task["name"], str(task[module].get(part)))
        for task in preflight(role)
        for module, part in (("ansible.builtin.assert", "fail_msg"), ("ansible.builtin.wait_for", "msg"))
        if module in task
    ]
    assert [name for name, said in refusals if not said.strip().endswith("Nothing was changed")] == []


LOOKS = {f"ansible.builtin.{name}" for name in ("command", "script", "shell", "uri", "wait_for")}


def preflight(role: str, part: str = "preflight.yml") -> Iterator[dict[str, Any]]:
    """All tasks of it, those of the files that it takes in too."""
    for task in tasks_in(read(role, f"tasks/{part}")):
        yield task
        for way in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks"):
            if way in task:
                yield from preflight(role, task[way])


def tasks_in(document: Any) -> Iterator[dict[str, Any]]:
    """All tasks of a file, those of blocks and plays too."""
    for each in document if isinstance(document, list) else ():
        yield each
        for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
            yield from tasks_in(each.get(part))


@pytest.mark.parametrize("path", sorted(Path(ROLES).parent.rglob("*.yml"), key=str), ids=str)
def test_a_task_of_another_host_says_whether_it_becomes_root_there(path: Path) -> None:
    """The play's word is about the hosts that are set up, not about the machine of a person, or a pod."""
    delegated = [each for each in tasks_in(yaml.safe_load(path.read_text())) if "delegate_to" in each]
    assert [each["name"] for each in delegated if "become" not in each] == []


LAB = ROLES.parent / "inventories" / "lab"


def test_the_labs_inventory_names_options_that_roles_have_and_hosts_that_are_there() -> None:
    own = {
        "ansible_user", "ansible_pipelining", "ansible_ssh_private_key_file", "ansible_ssh_common_args",
        "rcuda_archive", "rcuda_archive_sha256",
    }  # fmt: skip
    known = own | {name for role in NAMES for name in options(role)}
    given = {name for path in LAB.glob("group_vars/*.yml") for name in yaml.safe_load(path.read_text())}
    assert given - known == set()
    groups = yaml.safe_load((LAB / "hosts.yml").read_text())["all"]["children"]
    hosts = {name for group in groups.values() for name in group.get("hosts", {})}
    assert hosts == {"head", "gpu1", "gpu2", *(f"node{number}" for number in range(1, 7))}
    assert {path.stem for path in LAB.glob("group_vars/*.yml")} <= {*groups, "all"}
    of_hosts = {
        name for group in groups.values() for each in group.get("hosts", {}).values() for name in each
    }
    assert of_hosts - known == {"ansible_host"}


def test_an_inventory_is_named_by_its_file_as_all_that_lies_in_a_folder_would_be_read_as_one() -> None:
    """Of a file with a password Ansible makes a host of that name, and tells it."""
    pages = [*ROLES.parent.rglob("*.md"), *ROLES.parent.rglob("*.yml"), CHECKOUT / "docs" / "on-premises.md"]
    named = {each for path in pages for each in re.findall(r"ansible\S* -i (\S+)", path.read_text())}
    assert {each for each in named if not each.endswith(".yml")} == set()


def test_the_guide_gives_the_scaler_each_file_beside_the_labs_inventory_that_switching_needs() -> None:
    beside = re.compile(r"inventory_dir(?: }}|\s*~\s*')/([\w-]+)")
    named = {name for path in LAB.glob("group_vars/*.yml") for name in beside.findall(path.read_text())}
    guide = (CHECKOUT / "docs" / "on-premises.md").read_text()
    for text in (guide, (CHECKOUT / "stacks" / "Pulumi.onprem.yaml").read_text()):
        (given,) = re.findall(r"for file in ([\w -]+); do", text)
        assert {*given.split()} == named - {"join-token"}  # which only a set-up reads
