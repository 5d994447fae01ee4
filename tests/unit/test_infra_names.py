"""Names that fit, and modules that hide none of a library."""

import sys
from importlib import metadata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import infra
from infra.names import LIMIT, bounded

PART = st.text(alphabet="abc-", min_size=1, max_size=50)


@given(st.lists(PART, min_size=1, max_size=4))
def test_a_name_keeps_to_the_limit_and_to_itself(parts):
    name = bounded(*parts)
    assert len(name) <= LIMIT
    assert name == bounded(*parts)


def test_a_short_name_is_left_alone_and_a_long_one_stays_distinct():
    assert bounded("headrace", "scaler") == "headrace-scaler"
    long = "x" * LIMIT
    names = {bounded(long, tail) for tail in "abcdefgh"}
    assert len(names) == 8


def test_no_module_of_infra_is_called_like_a_library():
    """Pulumi runs infra/ by path, which puts it first on the import path."""
    top = Path(infra.__file__).parent
    own = {path.stem for path in top.iterdir() if path.suffix == ".py" or path.is_dir()} - {"__pycache__"}
    libraries = set(sys.stdlib_module_names) | set(metadata.packages_distributions())
    assert {name for name in own if not name.startswith("__")} & libraries == set()
