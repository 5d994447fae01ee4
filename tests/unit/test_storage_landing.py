"""Files are whole or not there."""

from pathlib import Path

import pytest

from headrace.storage.landing import landing


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path):
    with landing(tmp_path / "f") as file:
        file.write(b"half")
        assert not (tmp_path / "f").exists()
    assert (tmp_path / "f").read_bytes() == b"half"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_after_a_failure_the_older_file_is_still_there_and_nothing_beside_it(tmp_path: Path):
    (tmp_path / "f").write_bytes(b"older")
    with pytest.raises(ZeroDivisionError), landing(tmp_path / "f"):
        raise ZeroDivisionError
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"f": b"older"}


def test_a_folder_in_the_way_leaves_nothing_behind(tmp_path: Path):
    (tmp_path / "f").mkdir()
    with pytest.raises(IsADirectoryError), landing(tmp_path / "f") as file:
        file.write(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
