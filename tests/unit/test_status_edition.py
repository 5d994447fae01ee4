"""An edition: what changed since any earlier one, whole sections; who applies it has the newest document."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.status.document import Document
from headrace.status.edition import Edition, edition_of

EXAMPLE = Document.from_json((Path(__file__).parents[2] / "docs/examples/status/status.json").read_text())


def _document(waiting: int, title: str, at: float = 1.0) -> Document:
    totals = EXAMPLE.totals.model_copy(update={"waiting": waiting})
    stack = EXAMPLE.stack.model_copy(update={"name": title})
    return EXAMPLE.model_copy(update={"totals": totals, "stack": stack, "at": at})


def _editions(documents: list[Document]) -> list[Edition]:
    found: list[Edition] = []
    for document in documents:
        found.append(edition_of(document, found[-1] if found else None))
    return found


def test_the_body_is_the_document_with_its_number():
    edition = edition_of(EXAMPLE, None)
    assert Document.from_json(edition.body) == EXAMPLE.model_copy(update={"sequence": 1})
    assert gzip.decompress(edition.packed) == edition.body


def test_only_what_changed_is_sent():
    first, second = _editions([_document(1, "a"), _document(2, "a", at=2.0)])
    assert set(json.loads(second.since(1))) == {"version", "instance", "sequence", "at", "totals"}
    assert (first.sequence, second.sequence) == (1, 2)


def test_without_a_change_the_number_stays_and_the_time_goes_on():
    first, second = _editions([_document(1, "a", at=1.0), _document(1, "a", at=2.0)])
    assert (second.sequence, json.loads(second.beat)) == (
        first.sequence,
        {"version": 1, "instance": EXAMPLE.instance, "sequence": 1, "at": 2.0},
    )
    assert first.tag != second.tag


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b"])), min_size=1, max_size=12), st.data()
)
def test_who_has_any_earlier_document_and_takes_the_changes_has_the_newest(steps, data):
    editions = _editions([_document(waiting, title, at=float(n)) for n, (waiting, title) in enumerate(steps)])
    early, newest = editions[data.draw(st.integers(0, len(editions) - 1))], editions[-1]
    mine = json.loads(early.body) | json.loads(newest.since(early.sequence))
    assert mine == json.loads(newest.body)


@pytest.mark.parametrize(
    ("mark", "known"),
    [
        ("3f9a1c-1", 1),
        ("3f9a1c-0", 0),
        ("3f9a1c-2", None),  # it is not out yet
        ("other-1", None),
        ("3f9a1c-x", None),
        ("3f9a1c-\u00b2", None),
        ("3f9a1c", None),
        ("", None),
    ],
)
def test_only_a_number_of_this_process_is_gone_on_from(mark, known):
    assert edition_of(EXAMPLE, None).knows(mark) == known
