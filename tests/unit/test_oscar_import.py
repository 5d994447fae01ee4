"""`headrace function import`: files of OSCAR definitions, their scripts, what is written and told."""

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
import typer
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from headrace.catalog.document import DocumentError, read_texts
from headrace.catalog.folder import examine, function_folders, load_function
from headrace.catalog.oscar_file import Wanted, read_oscar_file
from headrace.catalog.tabs import TabLoader
from headrace.catalog.written import function_text
from headrace.cli.function_import import import_
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function
from headrace.oscar import Site

app = typer.Typer()
app.command()(import_)

# Retyped from OSCAR's own examples and tests, with their oddities: tabs behind a value, `Variables`, bare
# numbers, a lone api_port, bracketed placeholders. https://github.com/grycap/oscar/tree/master/examples,
# https://github.com/grycap/oscar-hub, https://github.com/grycap/oscar-tests, https://github.com/ai4os/ai4-papi
SIMPLE = """\
functions:
  oscar:
  - oscar-cluster:
     name: simple-test
     memory: 256Mi
     cpu: '1.0'
     image: ubuntu
     script: script.sh
     allowed_users: []
     log_level: CRITICAL\t\t
     input:
     - storage_provider: minio.default
       path: simple-test/input
     output:
     - storage_provider: minio.default
       path: simple-test/output
"""
WORKFLOW = """\
functions:
  oscar:
  - lab:
      name: plants
      cpu: 1.0
      image: grycap/oscar-theano-plants
      script: script.sh
      input: [{storage_provider: minio, path: flow/in}]
      output: [{storage_provider: minio, path: flow/med}]
      environment: {Variables: {SEND: false, LEVEL: 010, GRANT: yes, AT: 12:30}}
  - lab:
      name: grayify
      image: grycap/imagemagick
      script: script.sh
      input: [{storage_provider: minio, path: flow/med}]
      output: [{storage_provider: minio, path: flow/res}]
"""
COWSAY = "functions: {oscar: [{a: {name: cowsay, image: cowsay, script: script.sh}}]}\n"
EXPOSED = COWSAY.replace("script.sh", "script.sh, expose: {api_port: 80}")
TEMPLATE = """\
name: ${NAME}
image: ${IMAGE}
environment: ${ENV_VARS}
input:
  - storage_provider: minio.default
    path: ${NAME}/inputs
script: |-
  echo one
  echo two
"""
RING = WORKFLOW.replace("flow/res", "flow/in")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "script.sh").write_text("#!/bin/sh\ntrue\n")
    return tmp_path


def fdl(folder: Path, text: str | bytes) -> Path:
    path = folder / "fdl.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def invoke(*arguments: object):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# What is written


def test_each_service_becomes_a_folder_that_check_accepts(folder):
    result = invoke(fdl(folder, WORKFLOW), "--output", folder / "functions")
    assert result.exit_code == 0
    assert files(folder / "functions") == [
        "grayify/function.yaml", "grayify/script.sh", "plants/function.yaml", "plants/script.sh"
    ]  # fmt: skip
    assert f"wrote {folder / 'functions' / 'plants' / 'script.sh'} (15 bytes)" in result.stdout
    assert f"next: headrace function check {folder / 'functions'}" in result.stdout
    examined = examine(function_folders(folder / "functions"))
    assert examined.faults == ()
    plants = examined.installed[1].function.spec
    assert plants.environment == {"SEND": "false", "LEVEL": "010", "GRANT": "yes", "AT": "12:30"}
    assert plants.resources.cpu == "1.0"
    assert (folder / "functions" / "plants" / "script.sh").read_text() == "#!/bin/sh\ntrue\n"


def test_what_holds_for_every_function_is_told_once(folder):
    told = invoke(fdl(folder, WORKFLOW), "--output", folder / "functions").stderr
    assert told.count("warning: spec.security: OSCAR runs images as root") == 1
    assert told.count("names no digest") == 2


def test_a_dry_run_tells_what_would_be_written_and_writes_nothing(folder):
    result = invoke(fdl(folder, SIMPLE), "--output", folder / "functions", "--dry-run")
    assert result.exit_code == 0
    assert f"would write {folder / 'functions' / 'simple-test' / 'function.yaml'}" in result.stdout
    assert not (folder / "functions").exists()


def test_one_refused_service_keeps_all_from_being_written(folder):
    text = WORKFLOW.replace("name: grayify", "name: grayify\n      mount: {storage_provider: minio, path: a}")
    result = invoke(fdl(folder, text), "--output", folder / "functions")
    assert result.exit_code == 2
    assert f"{folder}/fdl.yaml:13 (functions.oscar[1].lab.mount): buckets are not mounted" in result.stderr
    assert "nothing was written: 1 reason above" in result.stderr
    assert not (folder / "functions").exists()


def test_a_folder_that_is_there_is_left_unless_told(folder):
    (folder / "functions" / "simple-test").mkdir(parents=True)
    (folder / "functions" / "simple-test" / "mine.txt").write_text("mine")
    result = invoke(fdl(folder, SIMPLE), "--output", folder / "functions")
    assert result.exit_code == 2
    assert "exists and is left as it is; choose another --output, or give --overwrite" in result.stderr
    assert files(folder / "functions") == ["simple-test/mine.txt"]
    assert invoke(fdl(folder, SIMPLE), "--output", folder / "functions", "--overwrite").exit_code == 0
    load_function(folder / "functions" / "simple-test")
    assert (folder / "functions" / "simple-test" / "mine.txt").read_text() == "mine"


def test_a_file_where_a_folder_is_to_be_is_never_replaced(folder):
    (folder / "functions").mkdir()
    (folder / "functions" / "simple-test").write_text("mine")
    result = invoke(fdl(folder, SIMPLE), "--output", folder / "functions", "--overwrite")
    assert result.exit_code == 2
    assert (folder / "functions" / "simple-test").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told(folder):
    (folder / "functions").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"can't be written .* choose another --output"):
        invoke(fdl(folder, SIMPLE), "--output", folder / "functions")


def test_the_json_document_tells_all_of_it(folder):
    result = invoke(fdl(folder, SIMPLE), "--output", folder / "functions", "--json")
    document = json.loads(result.stdout)
    assert document["ok"] is True
    assert document["files"] == {str(folder / "functions" / "simple-test"): ["function.yaml", "script.sh"]}
    assert document["refusals"] == []
    (service,) = document["services"]
    assert (service["name"], service["imported"]) == ("simple-test", True)
    assert service["mapped"]["memory"] == "spec.resources.memory"
    assert service["mapped"]["input[0].path"] == "spec.input[0].bucket"
    level = next(each for each in document["warnings"] if each["where"].endswith("log_level"))
    assert level == {
        "file": str(folder / "fdl.yaml"), "line": 10, "where": "functions.oscar[0].oscar-cluster.log_level",
        "message": "it is for OSCAR's supervisor; what the script prints is always kept (`headrace logs`)",
    }  # fmt: skip
    refused = invoke(fdl(folder, EXPOSED), "--output", folder / "functions", "--json")
    assert refused.exit_code == 2
    document = json.loads(refused.stdout)
    assert (document["ok"], document["files"]) == (False, {})
    assert [each["where"].rpartition(".")[2] for each in document["refusals"]] == ["input", "expose"]


def test_secrets_are_written_nowhere(folder):
    text = SIMPLE + "     environment: {secrets: {KEY: do-not-tell}}\n     token: do-not-tell\n"
    text += "storage_providers: {minio: {default: {secret_key: do-not-tell}}}\n"
    for option in ("--overwrite", "--json"):
        result = invoke(fdl(folder, text), "--output", folder / "functions", "--overwrite", option)
        assert result.exit_code == 0
        assert "do-not-tell" not in result.output
    assert "do-not-tell" not in (folder / "functions" / "simple-test" / "function.yaml").read_text()
    assert load_function(folder / "functions" / "simple-test").function.spec.secrets == ("simple-test",)


# What the stack is


def test_a_service_that_requests_start_is_imported_with_an_entrance(folder):
    assert "or import with --entrance BUCKET" in invoke(fdl(folder, COWSAY), "--output", folder / "f").stderr
    result = invoke(fdl(folder, COWSAY), "--output", folder / "f", "--entrance", "requests")
    assert result.exit_code == 0
    assert load_function(folder / "f" / "cowsay").function.spec.input[0].prefix == "cowsay/"


def test_another_store_is_read_when_it_is_the_stacks(folder):
    text = SIMPLE.replace("minio.default", "s3.lab")
    assert "Import with --store s3.lab" in invoke(fdl(folder, text), "--output", folder / "f").stderr
    assert invoke(fdl(folder, text), "--output", folder / "f", "--store", "s3.lab").exit_code == 0


def test_one_cluster_of_several_is_chosen(folder):
    text = COWSAY.replace("]}", ", {b: {name: cowsay, image: other, script: script.sh}}]}")
    chosen = {"--output": folder / "f", "--entrance": "requests"}
    options = [part for pair in chosen.items() for part in pair]
    both = invoke(fdl(folder, text), *options)
    assert (
        "found 'cowsay' a second time, first at functions.oscar[0].a; import one by --cluster" in both.stderr
    )
    none = invoke(fdl(folder, text), *options, "--cluster", "c")
    assert "found services for a, b, none for --cluster c; name one of these" in none.stderr
    assert invoke(fdl(folder, text), *options, "--cluster", "b").exit_code == 0
    assert load_function(folder / "f" / "cowsay").function.spec.image == "other"


def test_a_ring_of_buckets_is_refused(folder):
    result = invoke(fdl(folder, RING), "--output", folder / "f")
    assert result.exit_code == 2
    assert "cycle: grayify -> plants -> grayify: files would loop for ever" in result.stderr
    assert not (folder / "f").exists()


# Scripts


def test_a_script_of_several_lines_is_the_text_itself(folder):
    text = TEMPLATE.replace("${NAME}", "real").replace("${IMAGE}", "a/b").replace("${ENV_VARS}", "{}")
    assert invoke(fdl(folder, text), "--output", folder / "f").exit_code == 0
    assert (folder / "f" / "real" / "script.sh").read_text() == "echo one\necho two"


def test_the_placeholders_of_a_template_are_all_named(folder):
    result = invoke(fdl(folder, TEMPLATE), "--output", folder / "f")
    assert result.exit_code == 2
    for field, mark in (
        ("name", "NAME"),
        ("image", "IMAGE"),
        ("environment", "ENV_VARS"),
        ("input[0].path", "NAME"),
    ):
        assert f"({field}): found the placeholder '${{{mark}}}'; fill it in" in result.stderr


@pytest.mark.parametrize("script", ["/opt/run.sh", "opt/run.sh", "./opt/run.sh"])
def test_a_scripts_path_begins_at_the_file_or_at_the_folder_named(folder, script):
    (folder / "else" / "opt").mkdir(parents=True)
    (folder / "else" / "opt" / "run.sh").write_text("echo")
    text = SIMPLE.replace("script.sh", script)
    missing = invoke(fdl(folder, text), "--output", folder / "f")
    assert f"no script at {folder / script.lstrip('/')}: no file is there; put it there, or" in missing.stderr
    assert invoke(fdl(folder, text), "--output", folder / "f", "--scripts", folder / "else").exit_code == 0
    assert (folder / "f" / "simple-test" / "script.sh").read_text() == "echo"


def test_a_script_outside_of_the_files_folder_is_taken_with_a_warning(folder):
    (folder / "inner").mkdir()
    text = SIMPLE.replace("script.sh", "../script.sh")
    result = invoke(fdl(folder / "inner", text), "--output", folder / "f")
    assert result.exit_code == 0
    assert f"{folder}/inner/../script.sh lies outside of {folder}/inner; look at what it is" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "it is no UTF-8; save it as UTF-8"),
        (b"x" * (256 * 1024 + 1), "found 262145 bytes, allowed 262144"),
        (b" \n", "is missing; write the script"),
        (b"a\0b", "it holds a NUL character; write a script"),
    ],
)
def test_a_script_that_cannot_be_one_is_refused(folder, content, message):
    (folder / "script.sh").write_bytes(content)
    result = invoke(fdl(folder, SIMPLE), "--output", folder / "f")
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_script_that_is_no_regular_file_is_refused(folder, make):
    make(folder / "odd.sh")
    assert (
        "no file is there"
        in invoke(fdl(folder, SIMPLE.replace("script.sh", "odd.sh")), "--output", folder / "f").stderr
    )


# Files that are no definitions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "fdl.yaml:1: is empty"),
        (b"a: [", "fdl.yaml:1: is no YAML"),
        (b"\xff\xfe\0", "no UTF-8"),
        (b"a:\n\tb: c\n", "fdl.yaml:2: is no YAML"),
        (b"functions:\n  aws: []\n", "fdl.yaml:2 (functions.aws): SCAR's functions"),
        (
            b"unctions:\n  oscar: []\n",
            "(unctions): OSCAR has no such field and skips it, as does Headrace; did you mean",
        ),
        (b"functions: {oscar: [{a: !x {}}]}", "found the tag '!x'"),
        (b"name: a\nname: b\n", "fdl.yaml:1 (name): found a second time at line 2; remove one"),
        (b"a: b\n---\nc: d\n", "expected a single document"),
        (b"#" * 1_100_000, "found 1100000 bytes, allowed 1048576"),
        (b"[" * 60_000, "nests deeper"),
    ],
)
def test_a_file_that_holds_none_is_refused_with_a_line(folder, text, message):
    result = invoke(fdl(folder, text), "--output", folder / "f")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (folder / "f").exists()


def test_a_file_that_is_not_there_is_refused(folder):
    result = invoke(folder / "none.yaml", "--output", folder / "f")
    assert result.exit_code == 2
    assert "can't be read (No such file or directory); name a file of OSCAR's definitions" in result.stderr


def test_json_of_the_api_is_read_as_the_file_is(folder):
    tree = yaml.load(SIMPLE, TabLoader)["functions"]["oscar"][0]["oscar-cluster"] | {
        "script": "true\n",
        "labels": {"é😀": "x"},
    }
    found = read_oscar_file(fdl(folder, json.dumps(tree, indent="\t")), Wanted())
    assert [fault.where for fault in found.faults] == ["labels"]
    assert "found the key 'é😀'" in found.faults[0].message
    plain = read_oscar_file(fdl(folder, json.dumps([tree | {"labels": {}}])), Wanted())
    assert plain.faults == ()
    assert plain.imported[0].script == "true\n"


# Nothing raises


def test_texts_stay_as_they_are_written():
    text = b"a: 010\nb: yes\nc: 1.0\nd: 2024-01-01\ne: ~\nf: ''\non: off\n1: =\n"
    assert read_texts(text).tree == {
        "a": "010", "b": "yes", "c": "1.0", "d": "2024-01-01", "e": None, "f": "", "on": "off", "1": "="
    }  # fmt: skip
    assert read_texts(b'a: "\\ud83d\\ude00"').tree == {"a": "😀"}
    half = "found half of a character; write all of it"
    assert read_texts(b'a: "\\ud83d"').faults == ((("a",), half),)
    assert read_texts(b'"\\ud83d": a').faults == (((), f"a key at line 1: {half}"),)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_raise_anything_but_a_document_error(data):
    with suppress(DocumentError):
        read_texts(data)


LINES = [f"{line}\n" for text in (SIMPLE, WORKFLOW, EXPOSED, TEMPLATE) for line in text.splitlines()]


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A real file with characters and lines changed, dropped, doubled and moved."""
    text = draw(st.sampled_from([SIMPLE, WORKFLOW, EXPOSED, TEMPLATE, RING]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 12)))
        piece = draw(
            st.sampled_from(LINES)
            | st.text(max_size=6)
            | st.sampled_from(["\t", "\n", "{", "[", ": ", "- ", "&a ", "*a"])
        )
        text = text[:at] + piece + text[end:]
    return text.encode("utf-8", "surrogatepass")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=mutants(), entrance=st.sampled_from(["", "requests"]))
def test_any_file_is_written_as_sound_functions_or_refused_with_reasons(tmp_path_factory, data, entrance):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "script.sh").write_text("true\n")
    result = invoke(fdl(folder, data), "--output", folder / "f", "--entrance", entrance)
    if result.exit_code == 0:
        assert examine(function_folders(folder / "f")).faults == ()
    else:
        assert result.exit_code == 2
        assert "nothing was written" in result.stderr
        assert not (folder / "f").exists()


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)


@given(
    environment=st.dictionaries(st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,5}\Z"), TEXT, max_size=4),
    prefix=TEXT,
)
def test_what_is_written_is_read_as_the_same_function(tmp_path_factory, environment, prefix):
    document = {
        "apiVersion": "headrace.dev/v1alpha1", "kind": "Function", "metadata": {"name": "echo"},
        "spec": {
            "run": {"script": "script.sh"}, "environment": environment,
            "input": [{"bucket": "uploads", "prefix": prefix}],
        },
    }  # fmt: skip
    function = Function.from_json(json.dumps(document))
    folder = tmp_path_factory.mktemp("written") / "echo"
    folder.mkdir()
    (folder / "script.sh").write_text("true\n")
    (folder / "function.yaml").write_text(function_text(function), encoding="utf-8", newline="")
    assert load_function(folder).function == function


def test_a_function_beyond_the_files_bound_is_refused(folder):
    text = SIMPLE + f"     environment: {{variables: {{A: {'x' * 70_000}}}}}\n"
    with pytest.raises(ConfigurationError, match=r"bytes of function\.yaml, allowed 65536"):
        invoke(fdl(folder, text), "--output", folder / "f")
    assert not (folder / "f").exists()


def test_the_bucket_of_an_entrance_is_checked(folder):
    found = read_oscar_file(fdl(folder, COWSAY), Wanted(Site(entrance="No")))
    assert [fault.message for fault in found.faults] == [
        "found 'No', allowed a bucket of 3 to 63 small letters, digits, dots and -; rename it"
    ]
