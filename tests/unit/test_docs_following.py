"""A page as its reader follows it, with words and files of his own."""

from pathlib import Path

import pytest

from tests.documents.following import as_followed
from tests.documents.running import PageError

PAGE = "ansible/roles/gpu_host/README.md"
PLAY = "ansible-playbook -i inventory.yml headrace.hosts.gpu_hosts"


def texts(words: dict[str, str], written: dict[str, Path] | None = None) -> list[str]:
    return [block.text for block in as_followed(PAGE, words, written)]


def test_a_readers_own_words_stand_in_the_place_of_the_pages() -> None:
    inventory, play = texts({"10.0.0.": "10.99.1.", "inventory.yml": "mine.yml"})
    assert "node1: {ansible_host: 10.99.1.21}" in inventory
    assert play.count("-i mine.yml") == 2


def test_what_he_writes_comes_behind_the_line_that_tells_him_to() -> None:
    _, play = texts({}, {f"{PLAY} --check": Path("/his own")})
    first, second, third = play.splitlines()
    assert (first.startswith(PLAY), second, third) == (True, "cp -rp '/his own'/. .", PLAY)


@pytest.mark.parametrize(
    ("words", "written", "fault"),
    [
        ({"10.0.9.": "x"}, {}, f"{PAGE} has no '10.0.9.'"),
        ({}, {"ansible-galaxy": Path("x")}, "not one line that begins with 'ansible-galaxy'"),
        ({}, {PLAY: Path("x")}, "not one line"),
    ],
)
def test_a_page_that_says_something_else_is_found_out(
    words: dict[str, str], written: dict[str, Path], fault: str
) -> None:
    with pytest.raises(PageError, match=fault):
        texts(words, written)
