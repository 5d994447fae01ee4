"""docs/commands.md says what the commands say, and every command has an example."""

from pathlib import Path

import pytest

from headrace.cli import function, gpu, main, node
from headrace.cli.deferred import Entry
from headrace.cli.reference import page
from headrace.model.errors import ConfigurationError

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
GROUPS = {"function", "gpu", "node"}
COMMANDS = (*main.COMMANDS, *function.COMMANDS, *gpu.COMMANDS, *node.COMMANDS)
ENTRIES = [entry for entry in COMMANDS if entry.name not in GROUPS]


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew with `make docs`"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_commands_help_is_a_sentence_and_its_example_calls_it(entry: Entry) -> None:
    assert entry.help.endswith(".")
    words = entry.example.split()
    assert words[0] == "headrace"
    assert entry.name in words[1:3]


def test_a_missing_package_is_named_with_what_to_install() -> None:
    entry = Entry("demo", "module_that_nobody_has", "demo", "Help.")
    with pytest.raises(
        ConfigurationError, match=r"`headrace demo` needs the package 'module_that_nobody_has'"
    ):
        entry.load()


def test_a_missing_module_of_our_own_is_a_defect_and_not_a_missing_package() -> None:
    with pytest.raises(ModuleNotFoundError):
        Entry("x", "headrace.cli.nothing", "x", "Help.").load()
