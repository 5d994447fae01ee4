"""Functions from folders: what is refused, that every fault is told at once, and what the digest covers."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headrace.catalog import document as document_module
from headrace.catalog import files as files_module
from headrace.catalog.document import DocumentError, read_document
from headrace.catalog.folder import MAX_SCRIPT_BYTES, examine, load_folder, load_function
from headrace.model.errors import ConfigurationError
from headrace.model.function import Function

HEAD = 'apiVersion: headrace.dev/v1alpha1\nkind: Function\nmetadata: {name: "echo"}\n'
SOUND = HEAD + "spec:\n  run: {script: script.sh}\n  input: [{bucket: uploads}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound function."""
    return written(tmp_path / "functions" / "echo", SOUND)


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "function.yaml").write_text(text, encoding="utf-8")
    (folder / "script.sh").write_text("true\n")
    return folder


def told(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_function(folder)
    return str(caught.value)


# What the YAML says


@pytest.mark.parametrize(
    ("added", "where", "message"),
    [
        ("  environment: {T: 0.5}", "spec.environment.T", "found 0.5, allowed a string; put it in quotes"),
        ("  environment: {T: 5}", "spec.environment.T", "found 5, allowed a string; put it in quotes"),
        ("  environment: {T: true}", "spec.environment.T", "found true, allowed a string; put it in quotes"),
        ("  environment: {T: on}", "spec.environment.T", 'found on, which YAML may read as a boolean'),
        ("  environment: {T: NO}", "spec.environment.T", 'write "NO" in quotes'),
        ("  environment: {T: 010}", "spec.environment.T", 'write "010" in quotes'),
        ("  environment: {T: 1:30}", "spec.environment.T", 'write "1:30" in quotes'),
        ("  environment: {T: 0x1F}", "spec.environment.T", 'write "0x1F" in quotes'),
        ("  environment: {T: .inf}", "spec.environment.T", 'write ".inf" in quotes'),
        ("  environment: {T: 2024-01-01}", "spec.environment.T", "which YAML reads as a date"),
        ("  environment: {T: }", "spec.environment.T", "found nothing, allowed a string"),
        ("  environment: {on: x}", "spec.environment", "found 'on' as a key at line 7, allowed strings"),
        ("  environment: {1: x}", "spec.environment", "found '1' as a key at line 7, allowed strings"),
        ("  environment: {[a]: x}", "spec.environment", "found a list or mapping as a key at line 7"),
        ("  environment: {1A: x}", "spec.environment.1A", "allowed what matches"),
        ("  environment: {T: !!python/name:os.system }", "spec.environment.T", "found a tag"),
        ("  environment: !mine {T: x}", "spec.environment", "found the tag '!mine', allowed none"),
        ("  environment: {<<: {T: x}}", "spec.environment", "found the merge key << at line 7"),
        ("  suspend: yes", "spec.suspend", "found yes, which YAML may read as a boolean"),
        ("  suspend: true\n  suspend: false", "spec.suspend", "found a second time at line 8; remove one"),
        ("  batch: {maxFiles: 0}", "spec.batch.maxFiles", "found 0, allowed >= 1; change it"),
        ("  batch: {maxfiles: 1}", "spec.batch.maxfiles", "did you mean maxFiles?"),
        ("  batch: {max_files: 1}", "spec.batch.max_files", "did you mean maxFiles?"),
        ("  batch: 5", "spec.batch", "found 5, allowed a mapping"),
        ("  nonsense: 5", "spec.nonsense", "found an unknown key, allowed batch, delivery, environment"),
        ("  output: [{}]", "spec.output[0].bucket", "is missing; write it: logical name of a bucket"),
        ("  onDelete: drop", "spec.onDelete", "found 'drop', allowed 'keep', 'purge' or 'refuse'"),
        ("  gpu: {access: []}", "spec.gpu.access", "found an empty list"),
        ("  resources: {memory: 1GB}", "spec.resources.memory", "found '1GB', allowed a Kubernetes quantity"),
        ("  scale: {minWorkers: 9, maxWorkers: 3}", "spec.scale", "found minWorkers 9 above maxWorkers 3"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_file_line_and_field(folder, added, where, message):
    written(folder, f"{SOUND}{added}\n")
    line = told(folder)
    assert line.startswith(f"{folder}/function.yaml:7 ({where}): ")
    assert message in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"# nothing\n", "is empty"),
        (b"a: [", "is no YAML"),
        (b"a: b\n---\nc: d\n", "is no YAML: expected a single document in the stream"),
        (b"a: *nowhere\n", "is no YAML: found undefined alias"),
        (b"\xff\xfea", "no UTF-8"),
        (b"a: \x07", "is no YAML"),
        (b'a: "\\U00110000"', "is no YAML"),
        (b"[" * 60_000, "nests deeper"),
        (b"&a [*a]", "once its aliases are followed"),
        (b"#" * 70_000, "found 70000 bytes"),
    ],
)
def test_what_is_no_bounded_document_is_refused(data, message):
    with pytest.raises(DocumentError, match=message):
        read_document(data)


def test_aliases_are_followed_but_not_for_ever():
    assert read_document(b"a: &x {k: [1]}\nb: *x\n").tree == {"a": {"k": [1]}, "b": {"k": [1]}}
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 9))
    with pytest.raises(DocumentError, match="once its aliases are followed"):
        read_document(laughs.encode())


def test_every_fault_of_file_and_folder_is_told_at_once_in_order_of_lines(folder):
    text = SOUND.replace('"echo"', '"ecko"').replace("script.sh", "missing.sh").replace("bucket", "bukket")
    written(folder, f"{text}  batch: {{maxFiles: 0}}\n  environment: {{T: 0.5}}\n  suspend: yes\n")
    places = [
        line.partition("): ")[0].removeprefix(f"{folder}/function.yaml:")
        for line in told(folder).splitlines()
    ]
    assert places == [
        "3 (metadata.name",
        "5 (spec.run.script",
        "6 (spec.input[0].bucket",
        "6 (spec.input[0].bukket",
        "7 (spec.batch.maxFiles",
        "8 (spec.environment.T",
        "9 (spec.suspend",
    ]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["apiVersion", "kind", "metadata", "spec", "run", "input", "name", "bucket", "environment", "gpu"]
MARKS = [
    "\n",
    "  ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "!!",
    "!",
    "<<: ",
    "? ",
    "| ",
    "> ",
    "'",
    '"',
    "\\",
]
SNIPPETS = [
    *(f"{key}: " for key in KEYS),
    *MARKS,
    "%YAML 1.1\n",
    "---\n",
    "...\n",
    "1e9",
    "0o7",
    "=",
    "~",
    "\t",
]
rubbish = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
    st.lists(st.sampled_from(SNIPPETS), max_size=30).map(lambda parts: "".join(parts).encode()),
    json_like.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True).encode()),
    st.dictionaries(st.sampled_from(KEYS), json_like).map(
        lambda spec: yaml.safe_dump({"spec": spec}).encode()
    ),
)


@given(rubbish)
def test_no_text_raises_anything_but_a_configuration_error(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "rubbish" / "echo"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "function.yaml").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"function\.yaml"):
        load_function(folder)


plain = st.recursive(
    st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(exclude_categories=["C"]), max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(plain)
def test_a_tree_of_plain_values_is_read_as_any_yaml_reader_reads_it(tree):
    found = read_document(yaml.safe_dump(tree, allow_unicode=True).encode())
    assert (found.tree, found.faults) == (tree, ())


# What the folder holds


def test_functions_are_loaded_in_order_of_their_names(folder):
    other = written(folder.parent / "aorta", SOUND.replace('"echo"', "aorta"))
    (folder.parent / "Pulumi.yaml").write_text("no function")
    (folder.parent / "empty").mkdir()
    (folder.parent / ".hidden").mkdir()
    (folder.parent / ".hidden" / "function.yaml").write_text("no function")
    loaded = load_folder(folder.parent)
    assert [(each.function.name, each.folder) for each in loaded] == [("aorta", other), ("echo", folder)]
    assert loaded[1] == load_function(folder)


def test_faults_of_all_functions_are_told_together(folder):
    written(folder, SOUND.replace("uploads", "u"))
    written(folder.parent / "aorta", SOUND)
    with pytest.raises(ConfigurationError) as caught:
        load_folder(folder.parent)
    first, second = str(caught.value).splitlines()
    assert "aorta/function.yaml:3 (metadata.name): found 'echo', allowed 'aorta'" in first
    assert "echo/function.yaml:6 (spec.input[0].bucket)" in second


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="can't be read as a folder of functions"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"function\.yaml: can't be read"):
        load_function(tmp_path)


def test_one_name_in_two_folders_is_refused_and_the_first_kept(tmp_path):
    first, second = (written(tmp_path / each / "echo", SOUND) for each in "ab")
    examined = examine([first, second])
    assert [each.folder for each in examined.installed] == [first]
    assert [fault.message for fault in examined.faults] == [
        f"found 'echo', which {first} bears too; rename one"
    ]


@pytest.mark.parametrize(
    ("handler", "file", "sound"),
    [
        ("echo:Classifier", "echo.py", True),
        ("echo:Classifier", "echo/__init__.py", True),
        ("package.echo:Classifier", "package/echo.py", True),
        ("echo:Classifier", "other.py", False),
        ("echo:Classifier", "echo.txt", False),
        ("echo:Classifier", "training/echo.py", False),
    ],
)
def test_a_handler_needs_its_module_in_the_folder(folder, handler, file, sound):
    written(folder, SOUND.replace("script: script.sh", f"handler: {handler}"))
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text("")
    if sound:
        assert load_function(folder).function.spec.run.handler == handler
    else:
        assert f"(spec.run.handler): found {handler!r}, but no " in told(folder)


@pytest.mark.parametrize("script", ["missing.sh", "../echo/script.sh", "/bin/true", ".hidden", "."])
def test_a_script_is_a_file_of_the_folder(folder, script):
    written(folder, SOUND.replace("script.sh", f'"{script}"'))
    (folder / ".hidden").write_text("true")
    assert f"(spec.run.script): found {script!r}, but no such file" in told(folder)


def test_a_scripts_text_is_refused_beside_a_folder(folder):
    written(folder, SOUND.replace("script.sh}", "script.sh, source: 'true'}"))
    assert "(spec.run.source): found a text, allowed none beside a folder" in told(folder)


def test_a_script_has_at_most_256_kib(folder):
    (folder / "script.sh").write_bytes(b"#" * MAX_SCRIPT_BYTES)
    load_function(folder)
    (folder / "script.sh").write_bytes(b"#" * (MAX_SCRIPT_BYTES + 1))
    assert "found 'script.sh' of 262145 bytes, allowed 262144" in told(folder)


@pytest.mark.parametrize(
    ("file", "covered"),
    [
        ("model.onnx", True),
        ("deep/er/file", True),
        ("README.md", True),
        ("script.sh", True),
        ("__pycache__/echo.cpython-311.pyc", False),
        (".cache", False),
        (".git/HEAD", False),
        ("training/train.py", False),
        ("deep/training/train.py", False),
        ("notes.tmp", False),
        ("deep/notes.tmp", False),
        ("data/raw/file", False),
        ("data/kept", True),
    ],
)
def test_the_digest_covers_the_files_that_a_worker_may_use(folder, file, covered):
    (folder / ".headraceignore").write_text("# not a part of it\n*.tmp\n\n/data/raw/\n")
    before = load_function(folder).digest
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text("changed")
    assert (load_function(folder).digest != before) is covered


def test_the_digest_covers_the_spec_but_not_how_it_is_written(folder):
    before = load_function(folder).digest
    written(folder, f"# a comment\n{SOUND}  priority: 0\n")
    assert load_function(folder).digest == before
    written(folder, f"{SOUND}  priority: 1\n")
    assert load_function(folder).digest != before


def test_a_link_within_the_folder_is_followed_and_any_other_refused(folder, tmp_path):
    (folder / "same.sh").symlink_to("script.sh")
    load_function(folder)
    (tmp_path / "secret").write_text("secret")
    for target in (tmp_path / "secret", tmp_path / "nowhere", tmp_path):
        (folder / "link").symlink_to(target)
        assert "holds 'link', no regular file of the folder; copy it in" in told(folder)
        (folder / "link").unlink()


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 2), ("MAX_BYTES", 200)])
def test_a_folder_is_read_within_bounds(folder, monkeypatch, limit, value):
    load_function(folder)
    monkeypatch.setattr(files_module, limit, value)
    (folder / "large").write_bytes(b"x" * 200)
    assert "put large data into the image" in told(folder)


def test_the_bound_of_a_document_leaves_room_for_any_sensible_function():
    environment = {f"VARIABLE_{n}": "x" * 100 for n in range(300)}
    text = yaml.safe_dump({**yaml.safe_load(SOUND), "x": environment})
    assert len(text) < document_module.MAX_BYTES
    assert read_document(text.encode()).faults == ()


def test_a_sound_file_gives_the_function_that_it_describes(folder):
    assert load_function(folder).function == Function.from_json(json.dumps(yaml.safe_load(SOUND)))
