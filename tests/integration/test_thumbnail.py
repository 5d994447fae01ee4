"""The smallest example, run as the worker runs it."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "functions" / "thumbnail" / "script.sh"


def run(picture: Path, output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    output.mkdir()
    variables = {
        "PATH": "/usr/bin:/bin",
        "INPUT_FILE_PATH": str(picture),
        "TMP_OUTPUT_DIR": str(output),
        "STORAGE_OBJECT_KEY": "thumbnail/" + picture.name,
        "HEADRACE_PYTHON": sys.executable,
        **environment,
    }
    command = ["/bin/sh", str(SCRIPT)]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["wide.png", "wide.jpg", "a name with spaces.png"])
def test_a_picture_is_made_small_under_its_own_name(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (800, 400), "red").save(tmp_path / name)
    done = run(tmp_path / name, tmp_path / "out")
    assert (done.returncode, done.stdout) == (0, f"thumbnail of thumbnail/{name}\n")
    with Image.open(tmp_path / "out" / name) as small:
        assert small.size == (256, 128)


def test_the_side_can_be_set(tmp_path: Path) -> None:
    Image.new("L", (100, 200)).save(tmp_path / "x.png")
    assert run(tmp_path / "x.png", tmp_path / "out", THUMBNAIL_SIDE="50").returncode == 0
    with Image.open(tmp_path / "out/x.png") as small:
        assert small.size == (25, 50)


def test_what_is_no_picture_fails(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no picture")
    done = run(tmp_path / "x.png", tmp_path / "out")
    assert done.returncode != 0
    assert "UnidentifiedImageError" in done.stderr
    assert not list((tmp_path / "out").iterdir())
