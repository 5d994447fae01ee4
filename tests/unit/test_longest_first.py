"""The order in which files are run."""

from pathlib import Path
from types import SimpleNamespace

from tests.fixtures.longest_first import LONGEST, pytest_collection_modifyitems

ROOT = Path(__file__).parents[2]


def test_the_longest_files_come_first_and_all_else_stays_in_its_order():
    names = ["a.py::y", f"{LONGEST[1]}::b[1::2]", f"{LONGEST[0]}::z", f"{LONGEST[1]}::a", "a.py::x"]
    items = [SimpleNamespace(nodeid=name) for name in names]
    pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == [names[2], names[1], names[3], names[0], names[4]]


def test_every_file_in_the_order_is_there():
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
