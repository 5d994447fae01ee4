"""What is sent: base64 is told from all else, and a stalled upload ends."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.api.access import Caller, token_of
from headrace.api.openapi import openapi
from headrace.api.payload import Base64Watch, checked_name, decoded, key_of
from headrace.api.spool import Spool
from headrace.health.faults import FaultError
from headrace.model.function import Input
from tests.unit.api_bench import API


def pieces_of(body: bytes, sizes: list[int]) -> list[bytes]:
    found, rest = [], body
    for size in sizes:
        found.append(rest[:size])
        rest = rest[size:]
    return [*found, rest]


def is_base64(pieces: list[bytes]) -> bool:
    watch = Base64Watch()
    for piece in pieces:
        watch.feed(piece)
    return watch.holds


RFC_4648 = re.compile(rb"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
SIZES = st.lists(st.integers(0, 20), max_size=20)


@given(st.binary(min_size=1, max_size=200), SIZES, st.booleans())
def test_what_was_encoded_is_decoded_however_it_is_cut(content: bytes, sizes: list[int], lines: bool) -> None:
    text = base64.encodebytes(content) if lines else base64.b64encode(content)
    pieces = pieces_of(text, sizes)
    assert is_base64(pieces)
    assert b"".join(decoded(pieces)) == content


@given(st.one_of(st.binary(max_size=200), st.text("Ab9+/= \n", max_size=60).map(str.encode)), SIZES)
def test_base64_is_groups_of_four_with_padding_in_the_last_alone(content: bytes, sizes: list[int]) -> None:
    """RFC 4648; Python's own check differs between versions on padding beyond that."""
    text = content.translate(None, b" \t\r\n")
    assert is_base64(pieces_of(content, sizes)) is (bool(text) and RFC_4648.fullmatch(text) is not None)


@pytest.mark.parametrize(
    "text", [b"", b" \n", b"abc", b"ab=c", b"abc=abc=", b"a===", b"====", b"{}", b"ab\xffd"]
)
def test_what_is_no_base64_is_left_alone(text: bytes) -> None:
    assert not is_base64([text])


@pytest.mark.parametrize(
    ("source", "name", "wanted"),
    [
        (Input(bucket="uploads"), "a", "api-7/a"),
        (Input(bucket="uploads", prefix="in/"), "a.dcm", "in/api-7/a.dcm"),
        (Input(bucket="uploads", suffix=(".dcm", ".avi")), "a", "api-7/a.dcm"),
        (Input(bucket="uploads", suffix=(".dcm", ".avi")), "a.avi", "api-7/a.avi"),
    ],
)
def test_a_key_is_one_that_the_input_takes(source: Input, name: str, wanted: str) -> None:
    assert key_of(source, name, "7") == wanted
    assert source.takes(wanted)


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a\n", "a\\b", "x" * 201])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(FaultError, match="file name"):
        checked_name(name)


async def test_an_upload_of_which_nothing_comes_is_cut(tmp_path: Path) -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.Event().wait()

    spool = Spool(tmp_path, most_bytes=100, room_bytes=100, stall_seconds=0.01)
    with pytest.raises(FaultError, match="nothing came"):
        async with spool.taking(stream(), declared=None, is_raw=False):
            pass
    assert (spool.used_bytes, list(tmp_path.iterdir())) == (0, [])


def test_a_token_is_of_one_function_and_of_one_key() -> None:
    other = API.model_copy(update={"token_key": "x" * 32})
    tokens = {token_of(API, "a"), token_of(API, "b"), token_of(API, "lab.a"), token_of(other, "a")}
    assert {len(each) for each in tokens} == {64}
    assert len(tokens) == 4


@pytest.mark.parametrize(
    ("caller", "function", "sees"),
    [
        (Caller("root"), "echo", True),
        (Caller("root"), "lab.echo", True),
        (Caller("ann", "lab"), "lab.echo", True),
        (Caller("ann", "lab"), "echo", False),
        (Caller("ann", "lab"), "other.echo", False),
        (Caller("token", service="echo"), "echo", True),
        (Caller("token", service="echo"), "lab.echo", False),
    ],
)
def test_who_sees_a_function(caller: Caller, function: str, sees: bool) -> None:
    assert caller.sees(function) is sees


def test_the_document_names_every_call_and_every_schema_it_refers_to() -> None:
    document = openapi()
    text = str(document)
    assert {"/job/{service}", "/run/{service}", "/system/tasks/{service}/{task}"} <= document["paths"].keys()
    for name in document["components"]["schemas"]:
        assert text.count(f"#/components/schemas/{name}'") > 0, name
