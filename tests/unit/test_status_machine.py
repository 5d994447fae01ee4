"""What a stack on one machine is asked: functions of a folder with their faults, what its scaler tells."""

from pathlib import Path

import pytest

from headrace.model.errors import ConfigurationError, TransientError
from headrace.model.node import NodeState
from headrace.status.machine import read_folder, read_plan_file
from tests.unit.api_bench import settings_of
from tests.unit.status_bench import node, plan

FUNCTION = """\
apiVersion: headrace.dev/v1alpha1
kind: Function
metadata: {{name: {name}}}
spec:
  run: {{script: script.sh}}
  input: [{{bucket: uploads, prefix: in/}}]
  output: [{{bucket: results}}]
"""


def _write(folder: Path, name: str, text: str = FUNCTION) -> None:
    (folder / name).mkdir()
    (folder / name / "function.yaml").write_text(text.format(name=name))
    (folder / name / "script.sh").write_text("#!/bin/sh\n")


async def test_functions_of_a_folder_are_told_with_what_is_wrong_with_each(tmp_path):
    _write(tmp_path, "sound")
    _write(tmp_path, "wrong", FUNCTION + "  batch: {{maxFiles: 0}}\n  scale: {{maxWorkers: -1}}\n")
    (tmp_path / "no-function").mkdir()
    settings = settings_of().model_copy(
        update={"functions_directory": str(tmp_path), "buckets": {"uploads": "real-uploads"}}
    )
    sound, wrong = (await read_folder(settings)).value
    assert (sound.name, sound.fault, sound.inputs, sound.outputs) == (
        "sound",
        "",
        ("s3://real-uploads/in/",),
        ("s3://results/",),
    )
    assert (wrong.name, wrong.function) == ("wrong", None)
    assert "spec.batch.maxFiles" in wrong.fault
    assert "spec.scale.maxWorkers" in wrong.fault


async def test_a_folder_that_is_not_there_is_a_fault_for_a_person(tmp_path):
    settings = settings_of().model_copy(update={"functions_directory": str(tmp_path / "none")})
    with pytest.raises(ConfigurationError, match="can't be read as a folder of functions"):
        await read_folder(settings)


async def test_the_plan_is_what_the_scaler_wrote(tmp_path):
    told = plan(node("local", NodeState.IDLE))
    (tmp_path / "plan.json").write_bytes(told.to_json())
    assert (await read_plan_file(tmp_path / "plan.json")).value == told


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (None, TransientError, "the scaler has told nothing yet"),
        (b"{}", ConfigurationError, "is not what a scaler of this version writes"),
    ],
)
async def test_without_a_plan_it_is_told_why(tmp_path, content, error, says):
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=says):
        await read_plan_file(path)
