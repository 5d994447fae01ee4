"""docs/doctor.md is made of the checks, and has the place that each finding names."""

import re
from pathlib import Path

import pytest

from headrace.doctor.checkup import EVERY
from headrace.doctor.page import page
from headrace.model.troubles import anchor

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew with `make docs`"


@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.code)
def test_the_page_has_the_place_that_a_finding_names(check) -> None:
    anchors = [anchor(heading) for heading in re.findall(r"^#+ (.+)$", page(), re.MULTILINE)]
    assert anchors.count(check.see.partition("#")[2]) == 1
