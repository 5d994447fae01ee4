"""What is decided about a message: when it comes again, and what its dead letter tells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.messages import (
    MOST_WAIT_SECONDS,
    REASON_CHARACTERS,
    Message,
    Verdict,
    attributes_of,
    rest_seconds,
    wait_seconds,
)


def message(receives: int = 1) -> Message:
    return Message("m1", "r1", "{}", receives=receives, sent=1_700_000_000.25)


@pytest.mark.parametrize(
    ("receives", "seconds"), [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (10, 300), (10**9, 300)]
)
def test_a_message_that_could_not_be_taken_waits_twice_as_long_each_time(receives: int, seconds: int) -> None:
    assert wait_seconds(message(receives)) == seconds


@given(st.integers(1, 10**12))
def test_no_wait_is_longer_than_sqs_allows(receives: int) -> None:
    assert 1 <= wait_seconds(message(receives)) <= MOST_WAIT_SECONDS < 12 * 3600


@pytest.mark.parametrize(("bad_turns", "seconds"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (10**9, 30)])
def test_rests_grow_while_a_server_is_away(bad_turns: int, seconds: int) -> None:
    assert rest_seconds(bad_turns) == seconds


@pytest.mark.parametrize(
    ("verdict", "is_final"),
    [(Verdict.DONE, True), (Verdict.BURIED, True), (Verdict.AWAY, False), (Verdict.FAILED, False)],
)
def test_only_what_is_stored_or_buried_may_be_deleted(verdict: Verdict, is_final: bool) -> None:
    assert verdict.is_final is is_final


def test_a_dead_letter_tells_why_and_where_it_came_from() -> None:
    assert attributes_of(message(3), "the body is no JSON", queue="https://q") == {
        "HeadraceReason": "the body is no JSON",
        "HeadraceQueue": "https://q",
        "HeadraceMessageId": "m1",
        "HeadraceReceives": "3",
        "HeadraceSent": "2023-11-14T22:13:20.250+00:00",
    }


@given(st.text())
def test_any_reason_is_one_that_sqs_takes(reason: str) -> None:
    told = attributes_of(message(), reason, queue="https://q")["HeadraceReason"]
    assert 0 < len(told) <= REASON_CHARACTERS
    assert told.encode()
    assert not set(told) & {chr(code) for code in (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)}
