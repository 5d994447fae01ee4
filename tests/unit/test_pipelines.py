""".github: pinned actions, least rights, no secret in a command's reach, and what each pipeline is for."""

import re
from pathlib import Path

import pytest
import yaml

from infra.gitops.projects import PROJECTS

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FILES = [*WORKFLOWS, *sorted((ROOT / ".github" / "actions").rglob("*.yml"))]
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+){2}$")
ON = True  # what YAML 1.1 makes of the key `on`


def read(path):
    return yaml.safe_load(path.read_text())


def jobs(path):
    return read(path)["jobs"]


def steps(path):
    document = read(path)
    if "runs" in document:
        return document["runs"]["steps"]
    return [step for job in document["jobs"].values() for step in job["steps"]]


def uses(text):
    return [line.partition("uses:")[2].strip() for line in text.splitlines() if "uses:" in line]


def named(name):
    (path,) = [each for each in WORKFLOWS if each.stem == name]
    return path


each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


@each_file
def test_every_action_is_pinned_by_its_commit_and_says_the_version(path):
    found = uses(path.read_text())
    assert found
    assert [each for each in found if not each.startswith("./") and not PINNED.match(each)] == []
    assert all((ROOT / each / "action.yml").is_file() for each in found if each.startswith("./"))


def test_an_action_has_the_same_commit_everywhere():
    found = {each for path in FILES for each in uses(path.read_text()) if not each.startswith("./")}
    assert len(found) == len({each.partition("@")[0] for each in found})


@pytest.mark.parametrize(
    "line", ["actions/checkout@v7", f"actions/checkout@{'a' * 40}", f"a/b@{'a' * 39} # v1.0.0"]
)
def test_an_action_that_is_not_pinned_would_be_found(line):
    assert not PINNED.match(line)
    assert PINNED.match(f"actions/checkout@{'a' * 40} # v7.0.1")


@each_workflow
def test_rights_are_given_by_job_and_none_by_default(path):
    assert read(path)["permissions"] == {}
    allowed = {"id-token", "pull-requests", "issues"}
    for job in jobs(path).values():
        rights = job["permissions"]
        assert {what for what, right in rights.items() if right == "write"} <= allowed
        assert rights["contents"] == "read"


@each_workflow
def test_no_workflow_runs_others_code_with_our_rights(path):
    assert not {"pull_request_target", "workflow_run"} & set(read(path)[ON])
    for step in steps(path):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@each_file
def test_no_command_gets_values_pasted_in_and_none_sees_a_secret(path):
    for step in steps(path):
        command = step.get("run", "")
        assert "${{" not in command
        assert "secrets." not in str(step.get("env", {})) or step["uses"].startswith("pulumi/actions@")
    document = read(path)
    outside = [document.get("env"), *(job.get("env") for job in document.get("jobs", {}).values())]
    assert "secrets." not in str(outside)


@each_workflow
def test_every_job_ends_in_time(path):
    assert all(job["timeout-minutes"] <= 150 for job in jobs(path).values())


# What each is for


def runs_of_pulumi(name):
    return [step["with"] for step in steps(named(name)) if step.get("uses", "").startswith("pulumi/actions@")]


@pytest.mark.parametrize(
    ("name", "command"), [("preview", "preview"), ("deploy", "up"), ("drift", "preview")]
)
def test_each_pipeline_takes_the_platform_and_then_the_functions_with_the_policy_pack(name, command):
    found = runs_of_pulumi(name)
    assert [(each["command"], each["work-dir"]) for each in found] == [
        (command, project.folder) for project in PROJECTS.values()
    ]
    for each, project in zip(found, PROJECTS.values(), strict=True):
        assert each["stack-name"] == f"organization/{project.name}/${{{{ matrix.stack }}}}"
        assert each["policyPacks"] == "${{ github.workspace }}/infra/policy"


def test_a_pull_request_is_previewed_as_a_comment_unless_it_is_a_forks():
    assert list(read(named("preview"))[ON]) == ["pull_request"]
    assert all(each["comment-on-pr"] is True for each in runs_of_pulumi("preview"))
    (job,) = jobs(named("preview")).values()
    assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]


def test_what_is_merged_goes_up_after_approval_one_at_a_time():
    assert set(read(named("deploy"))[ON]) == {"push", "workflow_dispatch"}
    assert read(named("deploy"))[ON]["push"] == {"branches": ["main"]}
    (job,) = jobs(named("deploy")).values()
    assert job["environment"] == "${{ matrix.stack }}"
    assert job["concurrency"] == {"group": "stack-${{ matrix.stack }}", "cancel-in-progress": False}
    groups = {
        str(other.get("concurrency")) for name in ("preview", "drift") for other in jobs(named(name)).values()
    }
    assert str(job["concurrency"]) not in groups, "what waits in its group may be given up for another"


def test_drift_is_looked_for_by_night_and_told_in_an_issue():
    assert read(named("drift"))[ON]["schedule"]
    assert all(each["refresh"] and each["expect-no-changes"] for each in runs_of_pulumi("drift"))
    last = steps(named("drift"))[-1]
    assert last["if"] == "failure()"
    assert "gh issue create" in last["run"]


def test_functions_are_looked_at_also_where_the_platform_drifted_and_the_issue_tells_of_both():
    looks = {step["id"]: step for step in steps(named("drift")) if "id" in step}
    assert list(looks) == list(PROJECTS)
    assert looks["functions"]["if"] == "${{ !cancelled() }}"
    last = steps(named("drift"))[-1]
    for name in PROJECTS:
        assert last["env"][name.upper()] == f"${{{{ steps.{name}.outcome }}}}"
        assert f"{name} ${name.upper()}" in last["run"]


def test_pipelines_and_the_operator_run_one_version_of_pulumi():
    versions = {
        each["pulumi-version"] for name in ("preview", "deploy", "drift") for each in runs_of_pulumi(name)
    }
    texts = [path.read_text() for path in (ROOT / "stacks/gitops/pulumi-operator").glob("*.yaml")]
    images = {
        found for text in texts for found in re.findall(r"pulumi/pulumi:([\d.]+)-nonroot@sha256:", text)
    }
    assert versions == images
    assert len(versions) == 1


def test_checks_run_what_a_person_runs():
    commands = " ".join(step.get("run", "") for step in steps(named("checks")))
    for part in ("make lint", "make test", "infra.gitops render"):
        assert part in commands
