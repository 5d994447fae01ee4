"""`headrace event explain` prints exactly what is documented."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headrace.cli.event import app
from headrace.model.task import task_id
from tests.unit.notifications import FOLDER, saved

HELLO = "5d41402abc4b2a76b9719d911017c592"


def explain(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["explain", *arguments], input=stdin, catch_exceptions=False)


@pytest.fixture
def functions(tmp_path: Path) -> str:
    folder = tmp_path / "echo"
    folder.mkdir()
    (folder / "run.sh").write_text("true\n")
    (folder / "function.yaml").write_text(
        "apiVersion: headrace.dev/v1alpha1\nkind: Function\nmetadata: {name: echo}\n"
        "spec: {run: {script: run.sh}, input: [{bucket: uploads, prefix: echo/}, {bucket: versioned}]}\n"
    )
    return str(tmp_path)


def test_json_is_one_document_of_the_dialect_and_three_lists(functions: str) -> None:
    result = explain(str(FOLDER / "s3/aws_several.json"), "--json", "--functions", functions)
    empty = "d41d8cd98f00b204e9800998ecf8427e"
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "dialect": "AWS S3",
        "created": [
            {"bucket": "uploads", "key": "echo/a.dcm", "version": None, "etag": HELLO, "size": 5},
            {"bucket": "uploads", "key": "echo/b.dcm", "version": None, "etag": empty, "size": 0},
        ],
        "ignored": [
            {
                "event": "ObjectRemoved:Delete",
                "bucket": "uploads",
                "key": "echo/old one.dcm",
                "reason": "the object was deleted",
            },
            {
                "event": "ObjectCreated:Put",
                "bucket": "uploads",
                "key": "echo/folder/",
                "reason": "a folder marker",
            },
        ],
        "tasks": [
            {
                "function": "echo",
                "id": task_id("echo", "uploads", "echo/a.dcm", HELLO),
                "bucket": "uploads",
                "key": "echo/a.dcm",
            },
            {
                "function": "echo",
                "id": task_id("echo", "uploads", "echo/b.dcm", empty),
                "bucket": "uploads",
                "key": "echo/b.dcm",
            },
        ],
    }


def test_without_functions_there_are_no_tasks() -> None:
    assert json.loads(explain(str(FOLDER / "seaweedfs/put.json"), "--json").stdout)["tasks"] == []


def test_a_version_is_the_identity_before_the_etag(functions: str) -> None:
    result = explain(str(FOLDER / "seaweedfs/version_newest.json"), "--json", "--functions", functions)
    version = "671567efcdf41cd686f8818f9366e262"
    (task,) = json.loads(result.stdout)["tasks"]
    assert task["id"] == task_id("echo", "versioned", "echo/a.dcm", version)


def test_without_identity_in_the_event_the_id_is_null(functions: str) -> None:
    file = str(FOLDER / "seaweedfs/version_newest_is_unversioned.json")
    (task,) = json.loads(explain(file, "--json", "--functions", functions).stdout)["tasks"]
    assert task["id"] is None


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("seaweedfs/put", "SeaweedFS"),
        ("s3/ceph_put", "Ceph RGW"),
        ("sns/notification", "AWS S3, in an envelope of SNS"),
    ],
)
def test_the_dialect_is_named(name: str, dialect: str) -> None:
    assert explain(str(FOLDER / f"{name}.json")).stdout.startswith(f"dialect: {dialect}\n")


def test_a_dash_reads_standard_input() -> None:
    result = explain("-", "--json", stdin=saved("seaweedfs/put"))
    assert [each["key"] for each in json.loads(result.stdout)["created"]] == ["echo/a.dcm"]


@pytest.mark.parametrize("body", [b"", b"rubbish", b'{"hello": 1}', b'{"Records": [{}]}'])
def test_what_is_no_notification_exits_2_with_the_reason(body: bytes) -> None:
    plain, as_json = explain("-", stdin=body), explain("-", "--json", stdin=body)
    assert (plain.exit_code, plain.stdout) == (2, "")
    assert len(plain.stderr) > 10
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout) == {"error": plain.stderr.strip()}


def test_a_file_that_is_not_there_exits_2(tmp_path: Path) -> None:
    result = explain(str(tmp_path / "missing.json"))
    assert result.exit_code == 2
    assert "missing.json" in result.stderr


def test_functions_with_faults_exit_1(functions: str) -> None:
    (Path(functions) / "echo" / "function.yaml").write_text("spec: [")
    result = explain(str(FOLDER / "seaweedfs/put.json"), "--functions", functions)
    assert result.exit_code == 1
    assert "function.yaml" in result.stderr


def test_tables_show_control_characters_instead_of_obeying_them() -> None:
    result = explain(str(FOLDER / "seaweedfs/key_with_newline.json"))
    assert result.exit_code == 0
    assert r"nl\nx\x01.txt" in result.stdout
    assert "\x01" not in result.stdout
