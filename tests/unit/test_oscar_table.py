"""The table of what became of public definitions."""

from pathlib import Path

from tools.oscar_table import Row, rows

SOUND = """\
functions:
  oscar:
  - lab:
      name: a
      image: a
      script: script.sh
      log_level: DEBUG
      input: [{storage_provider: minio, path: abc/in}]
"""


def test_each_file_has_a_row_with_what_became_of_it(tmp_path: Path) -> None:
    (tmp_path / "script.sh").write_text("true\n")
    (tmp_path / "a.yaml").write_text(SOUND)
    (tmp_path / "b.yml").write_text("functions: {oscar: [{lab: {name: b, image: b, script: script.sh}}]}")
    (tmp_path / "c.yaml").write_text(SOUND.replace("script.sh", "gone.sh").replace("name: a", "name: <NAME>"))
    (tmp_path / "d.json").write_text("[]")
    (tmp_path / "e.txt").write_text(SOUND)
    assert list(rows(tmp_path)) == [
        Row("a.yaml", "a", "imported", "`log_level`: it is for OSCAR's supervisor"),
        Row(
            "b.yml",
            "b",
            "imported with --entrance",
            "`input`: there is none: files that are put below s3://requests/b/ start the function",
        ),
        Row(
            "c.yaml",
            "&lt;NAME>",
            "refused",
            "`script`: no script at gone.sh: no file is there; `name`: found the placeholder '&lt;NAME>'",
        ),
        Row("d.json", "-", "refused", "found a list, allowed an FDL file (functions: oscar: …) or a service"),
    ]
