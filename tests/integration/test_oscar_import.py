"""A definition of OSCAR's, imported and run by the worker's own code: the script finds what OSCAR gave it."""

import json
from pathlib import Path

from typer.testing import CliRunner

from headrace.cli.main import app

# The shape of https://github.com/grycap/oscar/tree/master/examples/simple-test
FDL = """\
functions:
  oscar:
  - oscar-cluster:
     name: simple-test
     memory: 256Mi
     image: ubuntu
     script: script.sh
     log_level: CRITICAL\t\t
     environment:
       Variables:
         SUFFIX: counted
     input:
     - storage_provider: minio.default
       path: simple-test/input
     output:
     - storage_provider: minio.default
       path: simple-test/output
       suffix: [.counted]
"""
SCRIPT = """\
FILE_NAME=`basename "$INPUT_FILE_PATH" | cut -d. -f1`
wc -w < "$INPUT_FILE_PATH" | tr -d ' ' > "$TMP_OUTPUT_DIR/$FILE_NAME.$SUFFIX"
echo "$STORAGE_OBJECT_KEY" > "$TMP_OUTPUT_DIR/left-out.txt"
"""


def test_an_imported_script_runs_unchanged_and_its_outputs_are_filtered(tmp_path: Path) -> None:
    (tmp_path / "fdl.yaml").write_text(FDL)
    (tmp_path / "script.sh").write_text(SCRIPT)
    (tmp_path / "words.txt").write_text("one two three\n")
    functions, out = tmp_path / "functions", tmp_path / "out"
    run = CliRunner().invoke
    imported = run(app, ["function", "import", str(tmp_path / "fdl.yaml"), "--output", str(functions)])
    assert imported.exit_code == 0, imported.output
    assert run(app, ["function", "check", str(functions)]).exit_code == 0
    file = ["--file", str(tmp_path / "words.txt"), "--output", str(out), "--json"]
    tested = run(app, ["function", "test", str(functions / "simple-test"), *file])
    assert json.loads(tested.stdout)["state"] == "done", tested.output
    assert {path.name: path.read_text() for path in out.iterdir()} == {"words.counted": "3\n"}
