"""`headrace function new`: what a newcomer gets passes its own test at once, and nothing is overwritten."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headrace.catalog.example import Kind, filled, read_template, write_function
from headrace.catalog.files import read_files
from headrace.catalog.folder import load_function
from headrace.catalog.samples import accept, differences, samples_of
from headrace.catalog.templates import ABOUT, FILES
from headrace.cli.main import app
from headrace.model.errors import ConfigurationError


def headrace(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"HEADRACE_DOCS": "docs"})


def made(folder: Path, kind: str = "script", name: str = "mine") -> Path:
    result = headrace("function", "new", name, f"--{kind}", "--directory", folder)
    assert result.exit_code == 0, result.stderr
    return folder / name


def test_the_list_names_each_template_and_what_it_is() -> None:
    result = headrace("function", "new", "--list")
    assert result.exit_code == 0
    for kind in Kind:
        assert f"--{kind} " in result.stdout
        assert ABOUT[kind] in result.stdout
    assert set(ABOUT) == set(FILES) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_samples_and_readme_are_no_part_of_a_functions_digest(tmp_path: Path, kind: str) -> None:
    folder = made(tmp_path, kind)
    assert len(read_files(folder)) == 2, "function.yaml and its code"
    before = load_function(folder).digest
    (folder / "README.md").write_text("more")
    (folder / "samples" / "other.txt").write_text("more")
    assert load_function(folder).digest == before


@pytest.mark.parametrize("kind", Kind)
def test_the_next_commands_name_the_folder_and_a_sample(tmp_path: Path, kind: str) -> None:
    folder = made(tmp_path, kind)
    readme = (folder / "README.md").read_text()
    assert f"headrace function test {folder}" in readme
    assert "{{" not in readme
    assert len([line for line in readme.splitlines() if line.startswith("    ")]) == 3


def test_a_script_can_be_run(tmp_path: Path) -> None:
    assert (made(tmp_path) / "script.sh").stat().st_mode & 0o111


def test_a_template_of_ones_own_is_filled_and_what_is_no_text_stays(tmp_path: Path) -> None:
    template = tmp_path / "template"
    (template / "__pycache__").mkdir(parents=True)
    (template / "__pycache__" / "x.pyc").write_bytes(b"x")
    (template / "function.yaml").write_text(FILES["script"]["function.yaml"])
    (template / "script.sh").write_text("echo {{name}} {{folder}}")
    (template / "{{name}}.bin").write_bytes(b"\xff{{name}}")
    result = headrace("function", "new", "mine", "--from", template, "--directory", tmp_path)
    assert result.exit_code == 0, result.stderr
    folder = tmp_path / "mine"
    assert read_files(folder) == {
        "function.yaml": FILES["script"]["function.yaml"].replace("{{name}}", "mine").encode(),
        "mine.bin": b"\xff{{name}}",
        "script.sh": f"echo mine {folder}".encode(),
    }
    assert f"headrace function test {folder} --file FILE" in result.stdout


def test_a_faulty_template_is_told_of_and_written_all_the_same(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.mkdir()
    (template / "function.yaml").write_text("kind: Function\n")
    result = headrace("function", "new", "mine", "--from", template, "--directory", tmp_path)
    assert result.exit_code == 0
    assert str(tmp_path / "mine" / "function.yaml") in result.stderr


def test_a_folder_without_a_function_is_no_template(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"found no function\.yaml"):
        read_template(tmp_path)


def test_nothing_is_overwritten_and_nothing_half_written_stays(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "script.sh").write_text("mine")
    again = headrace("function", "new", "mine", "--directory", tmp_path)
    assert (again.exit_code, (folder / "script.sh").read_text()) == (2, "mine")
    with pytest.raises(ConfigurationError, match="can't be written"):
        write_function(folder, {"x": b"x"})
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]
    assert (folder / "script.sh").read_text() == "mine"


def test_a_name_that_no_function_can_have_is_refused_with_its_place_in_the_docs(tmp_path: Path) -> None:
    result = headrace("function", "new", "My_Function", "--directory", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "see docs/troubleshooting.md#a-name-that-no-function-can-have"


def test_a_name_in_a_template_is_replaced_in_the_files_names_too() -> None:
    template = {"{{name}}/a": b"{{name}} {{folder}}"}
    assert filled(template, "x", folder="f/x") == {"x/a": b"x f/x"}


# Samples


@pytest.mark.parametrize(
    ("expected", "came", "told"),
    [
        ({"a": b"1"}, {"a": b"1"}, ()),
        ({"a": b"1"}, {}, ("a: expected, and did not come",)),
        ({}, {"a": b"1"}, ("a: came, and was not expected",)),
        ({"a": b"1\n2\n"}, {"a": b"1\n3\n"}, ("a: differs\n@@ -1,2 +1,2 @@\n 1\n-2\n+3",)),
        ({"a": b"1\n"}, {"a": b"1"}, ("a: differs\nthe line ends differ",)),
        ({"a": b"\xff1"}, {"a": b"\xff"}, ("a: differs: 1 bytes came, 2 were expected",)),
    ],
)
def test_what_differs_from_what_is_expected(expected: dict, came: dict, told: tuple) -> None:
    assert differences(expected, came) == told


def test_what_is_accepted_is_expected_from_then_on(tmp_path: Path) -> None:
    folder = made(tmp_path)
    accept(folder, "hello.txt", {"below/new": b"1"})
    (sample,) = samples_of(folder)
    assert sample.expected == {"below/new": b"1"}


def test_a_function_without_samples_says_where_they_go(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"samples: found no sample.*--file"):
        samples_of(tmp_path)


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    folder, file = made(tmp_path), tmp_path / "x"
    file.write_text("x")
    for options in (["--accept", "--file", file], ["--key", "k"], ["--serve", "true"]):
        assert headrace("function", "test", folder, *options).exit_code == 2


def test_a_function_that_serves_says_how_it_is_tried(tmp_path: Path) -> None:
    result = headrace("function", "test", made(tmp_path, "http"))
    assert result.exit_code == 2
    assert '--serve "python3 server.py"' in result.stderr
