"""`make docs`' site: built without a warning, no link is lost, and nothing comes from another host."""

import os
import subprocess
import sys
from pathlib import Path

from tools.pages.checking import faults
from tools.pages.files import ROOT


def test_the_site_is_built_without_a_warning_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT, check=False, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    assert list(faults(tmp_path / "site")) == []
    assert (tmp_path / "site" / "search" / "search_index.js").stat().st_size > 100_000
