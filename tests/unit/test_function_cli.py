"""`headrace function check` and `new`: what they print, write and exit with."""

import json
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from headrace.catalog.example import Kind, example, write_function
from headrace.catalog.folder import load_function
from headrace.cli.function_check import check
from headrace.cli.function_new import new
from headrace.model.cycles import find_cycles
from headrace.model.errors import ConfigurationError

app = typer.Typer()
app.command()(check)
app.command()(new)


def invoke(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def looping(folder: Path, name: str, reads: str, writes: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "script.sh").write_text("true")
    (folder / name / "function.yaml").write_text(
        f"apiVersion: headrace.dev/v1alpha1\nkind: Function\nmetadata: {{name: {name}}}\nspec:\n"
        f"  run: {{script: script.sh}}\n  input: [{{bucket: data, prefix: {reads}}}]\n"
        f"  output: [{{bucket: data, prefix: {writes}}}]\n"
    )


@given(
    st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,37}[a-z0-9])?\Z")
    | st.sampled_from(["on", "null", "1e3", "0x1", "12"])
)
def test_an_example_of_any_name_is_sound(tmp_path_factory, name):
    for kind in Kind:
        folder = tmp_path_factory.mktemp("functions") / name
        files = example(name, kind, folder=str(folder))
        write_function(folder, {file: content.encode() for file, content in files.items()})
        function = load_function(folder).function
        assert function.name == name
        assert find_cycles([function]) == ()


def test_the_handler_of_the_example_works_files(tmp_path):
    class File:
        input = tmp_path / "clip.dcm"
        output = tmp_path / "output"

    File.input.write_bytes(b"abc")
    File.output.mkdir()
    scope: dict = {}
    exec(
        example("f", Kind.HANDLER, folder="f")["handler.py"], scope
    )  # the template is text until it is written
    scope["Handler"]()([File])
    assert json.loads((File.output / "clip.dcm.json").read_text()) == {
        "bytes": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "worked": 1,
    }


@pytest.mark.parametrize(
    ("option", "code"),
    [("--script", "script.sh"), ("--handler", "handler.py"), ("--http", "server.py")],
)
def test_new_writes_a_sound_function_once(tmp_path, option, code):
    result = invoke("new", "mine", option, "--directory", tmp_path / "functions")
    folder = tmp_path / "functions" / "mine"
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        [".headraceignore", "Containerfile", "README.md", "expected", "function.yaml", "samples", code]
    )
    assert [file.name for file in folder.parent.iterdir()] == ["mine"], "nothing half written stays"
    assert f"wrote {folder / code}" in result.output
    load_function(folder)
    with pytest.raises(ConfigurationError, match="exists and is left as it is"):
        invoke("new", "mine", option, "--directory", tmp_path / "functions")


def test_new_with_dry_run_writes_nothing(tmp_path):
    result = invoke("new", "mine", "--directory", tmp_path / "functions", "--dry-run")
    assert f"would write {tmp_path / 'functions' / 'mine' / 'script.sh'}" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [["Mine"], ["../mine"], ["mine", "--script", "--handler"], ["mine", "--http", "--handler"]],
)
def test_new_refuses_what_can_be_no_function(tmp_path, arguments):
    with pytest.raises(ConfigurationError, match="allowed"):
        invoke("new", *arguments, "--directory", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_check_of_sound_functions_exits_0_and_tells_their_digests(tmp_path):
    for name in "ab":
        looping(tmp_path, name, f"{name}/", "results/")
    digests = {name: load_function(tmp_path / name).digest for name in "ab"}
    result = invoke("check", tmp_path, tmp_path / "a", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "ok": True,
        "functions": [
            {"name": name, "folder": str(tmp_path / name), "digest": digests[name]} for name in "ab"
        ],
        "faults": [],
        "cycles": [],
        "hints": [],
        "gpus": {},
    }
    assert f"a: sound ({tmp_path / 'a'}, digest {digests['a'][:12]})" in invoke("check", tmp_path).stdout


def test_check_hints_at_a_prefix_that_takes_the_folders_beside_it_too(tmp_path):
    for name, reads in {"a": "echo", "b": "echo/", "d": "img_", "e": "study-2026"}.items():
        looping(tmp_path, name, reads, "results/")
    result = invoke("check", tmp_path, "--json")
    assert result.exit_code == 0, "it is allowed"
    hints = json.loads(result.stdout)["hints"]
    assert [each["function"] for each in hints] == ["a", "e"]
    told = "its input of the bucket 'data' with prefix 'echo' also takes the folders beside it, "
    told += "as in 'echo-old/a.txt'; write 'echo/' for the folder alone"
    assert hints[0]["message"] == told
    assert f"a: hint: {told}\n" in invoke("check", tmp_path).stderr


def test_check_of_a_ring_across_folders_exits_1_and_shows_it(tmp_path):
    looping(tmp_path / "one", "a", "a/", "b/")
    looping(tmp_path / "two", "b", "b/", "a/")
    assert invoke("check", tmp_path / "one").exit_code == 0
    result = invoke("check", tmp_path / "one", tmp_path / "two", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["ok"], document["faults"]) == (False, [])
    assert document["cycles"] == [
        [
            {"function": "a", "starts": "b", "bucket": "data", "key": "b/file"},
            {"function": "b", "starts": "a", "bucket": "data", "key": "a/file"},
        ]
    ]
    assert (
        "a -> b -> a: files would loop for ever" in invoke("check", tmp_path / "one", tmp_path / "two").output
    )


def test_check_of_a_fault_exits_1_and_names_file_line_and_field(tmp_path):
    looping(tmp_path, "a", "a/", "b/")
    (tmp_path / "a" / "script.sh").unlink()
    message = "found 'script.sh', but no such file among the folder's; name one by its path in the folder"
    result = invoke("check", tmp_path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["faults"] == [
        {"file": f"{tmp_path}/a/function.yaml", "line": 5, "where": "spec.run.script", "message": message}
    ]
    assert f"{tmp_path}/a/function.yaml:5 (spec.run.script): {message}" in invoke("check", tmp_path).output


def test_check_of_a_folder_that_is_not_there_is_a_wrong_command(tmp_path):
    with pytest.raises(ConfigurationError, match="can't be read as a folder of functions"):
        invoke("check", tmp_path / "nowhere")
