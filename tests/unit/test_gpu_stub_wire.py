"""The stub's frames: there and back, and what is no frame."""

import ast
import asyncio
import json
import socket
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import headrace.gpu.stub.client as client_tree
from headrace.gpu.stub.client.headrace_stub.connection import set_options
from headrace.gpu.stub.client.headrace_stub.errors import FrameError, PlaceError
from headrace.gpu.stub.client.headrace_stub.framing import (
    HEADER,
    MAGIC,
    MOST_HEAD_BYTES,
    MOST_PAYLOAD_BYTES,
    describe,
    pack,
    parse_arrays,
    parse_head,
    parse_header,
)
from headrace.gpu.stub.client.headrace_stub.place import Place, parse_places
from headrace.gpu.stub.refusal import Reason, RefusedError
from headrace.gpu.stub.requests import Malloc, Matmul, Open, parse_request
from headrace.gpu.stub.wire import Frame, Frames

NUMBERS = st.sampled_from(("bool", "uint8", "int16", "int64", "float16", "float32", ">f4", "float64"))
ARRAYS = NUMBERS.flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0))
)


class Deaf:
    """A StreamWriter's place where nothing is written."""

    def get_extra_info(self, _):
        return None


async def read(data: bytes, *, most_bytes: int = 2**20) -> list[Frame]:
    """All frames in what came before the peer ended."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames, found = Frames(reader, Deaf()), []
    while (frame := await frames.read(most_bytes=most_bytes)) is not None:
        found.append(frame)
    return found


async def test_frames_follow_one_another():
    data = pack({"call": "write"}, 3) + b"abc" + pack({})
    assert await read(data) == [Frame(b'{"call":"write"}', b"abc"), Frame(b"{}")]


async def test_a_payload_that_is_too_large_is_read_over_and_the_next_frame_found():
    data = pack({"n": 1}, 2**20) + bytes(2**20) + pack({"n": 2}, 2) + b"ok"
    assert await read(data, most_bytes=10) == [
        Frame(b'{"n":1}', skipped_bytes=2**20),
        Frame(b'{"n":2}', b"ok"),
    ]


WHOLE = pack({"call": "write"}, 5) + b"abcde"


@pytest.mark.parametrize("size", range(1, len(WHOLE)))
async def test_a_frame_that_ends_early_is_told(size):
    with pytest.raises(FrameError, match="frame: ended after"):
        await read(WHOLE[:size])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "begins with b'GET '"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaa", "allowed b'HRS1'"),
        (HEADER.pack(MAGIC, MOST_HEAD_BYTES + 1, 0), "a head of 65537"),
        (HEADER.pack(MAGIC, 2, MOST_PAYLOAD_BYTES + 1), "a payload of 4294967297"),
    ],
)
async def test_rubbish_is_named(data, words):
    with pytest.raises(FrameError, match=words.replace("(", r"\(")):
        await read(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_a_frame_error(data):
    with suppress(FrameError):
        asyncio.run(read(data))


@pytest.mark.parametrize("head", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 60_000])
def test_a_head_that_is_no_object_is_refused(head):
    with pytest.raises(FrameError, match="frame: its head is"):
        parse_head(head)


def test_what_is_too_large_is_not_sent():
    with pytest.raises(FrameError, match="frame open: found a head of"):
        pack({"call": "open", "session": "x" * MOST_HEAD_BYTES})
    with pytest.raises(FrameError, match="frame write: found"):
        pack({"call": "write"}, MOST_PAYLOAD_BYTES + 1)


@given(st.binary(min_size=HEADER.size, max_size=HEADER.size))
def test_a_header_keeps_the_bounds(data):
    try:
        header = parse_header(data)
    except FrameError:
        return
    assert header.head_bytes <= MOST_HEAD_BYTES
    assert header.payload_bytes <= MOST_PAYLOAD_BYTES


def test_a_peer_that_was_cut_off_is_noticed_by_the_kernel():
    with socket.socket() as connection:
        set_options(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        interval = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        assert idle + interval * connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 25


# Arrays


@given(st.dictionaries(st.text(max_size=5), ARRAYS, max_size=3))
def test_arrays_come_back_as_they_went(arrays):
    described, buffers = describe(arrays)
    found = parse_arrays(json.loads(json.dumps(described)), b"".join(buffers))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype.newbyteorder("<")
        np.testing.assert_array_equal(found[name], array, strict=False)
        assert found[name].shape == array.shape


def test_a_slice_is_sent_as_it_is_seen():
    described, (buffer,) = describe({"a": np.arange(10, dtype="<i4")[::2]})
    assert described == [{"name": "a", "dtype": "<i4", "shape": [5]}]
    assert np.frombuffer(buffer, "<i4").tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([None]), np.array([1j]), np.array([b"x"])])
def test_what_is_no_number_is_not_sent(array):
    with pytest.raises(FrameError, match="array 'frame': found numbers of type"):
        describe({"frame": array})


F4 = {"name": "a", "dtype": "<f4", "shape": [2]}


@pytest.mark.parametrize(
    ("described", "size"),
    [
        ([F4], 7),
        ([F4], 9),
        ([F4, F4], 16),
        ([{**F4, "shape": [-1]}], 0),
        ([{**F4, "shape": [2.0]}], 8),
        ([{**F4, "shape": [True]}], 4),
        ([{**F4, "shape": [0, 2**39, 2**39]}], 0),
        ([{**F4, "shape": [2**39, 2**39]}], 8),
        ([{**F4, "shape": [1] * 33}], 4),
        ([{**F4, "shape": 2}], 8),
        ([{**F4, "dtype": "O"}], 8),
        ([{**F4, "dtype": "<f3"}], 8),
        ([{**F4, "dtype": "<U1"}], 8),
        ([{**F4, "name": 1}], 8),
        ([{}], 0),
    ],
)
def test_arrays_that_do_not_fit_their_payload_are_refused(described, size):
    with pytest.raises(FrameError, match=r"^array"):
        parse_arrays(described, bytes(size))


# Requests


@pytest.mark.parametrize(
    ("head", "request_"),
    [
        (
            b'{"call":"open","session":"a.b-1_c","gpu":0,"memoryBytes":5}',
            Open(call="open", session="a.b-1_c", gpu=0, memory_bytes=5),
        ),
        (b'{"call":"malloc","size":1}', Malloc(call="malloc", size=1)),
        (
            b'{"call":"matmul","a":1,"b":2,"out":3,"shape":[1,2,3]}',
            Matmul(call="matmul", a=1, b=2, out=3, shape=(1, 2, 3)),
        ),
    ],
)
def test_a_request_is_read(head, request_):
    assert parse_request(head) == request_


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b'{"call":"mallok","size":1}', "mallok"),
        (b'{"call":"malloc"}', "size: Field required"),
        (b'{"call":"malloc","size":0}', "size: Input should be greater"),
        (b'{"call":"malloc","size":"1"}', "size: Input should be a valid integer"),
        (b'{"call":"malloc","size":1,"sise":1}', "sise: Extra inputs"),
        (b'{"call":"open","session":"a,b","gpu":0,"memoryBytes":5}', "session: String should match"),
        (b'{"call":"open","session":"a/b","gpu":0,"memory_bytes":5}', "memoryBytes: Field required"),
        (b'{"call":"matmul","a":1,"b":2,"out":3,"shape":[1,2]}', "shape: Tuple should have"),
        (b'{"call":"matmul","a":1,"b":2,"out":3,"shape":[1,2,-3]}', "shape.2: Input should be greater"),
        (b"rubbish \xff", "Invalid JSON"),
    ],
)
def test_a_request_that_is_none_is_refused_with_the_fault(head, words):
    with pytest.raises(RefusedError) as refused:
        parse_request(head)
    assert refused.value.reason is Reason.BAD_CALL
    assert words in str(refused.value)


# The container's side


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("gpu1:9393/a", [Place("gpu1", 9393, "a")]),
        ("10.0.0.1:1/a-0, 10.0.0.1:1/a-1", [Place("10.0.0.1", 1, "a-0"), Place("10.0.0.1", 1, "a-1")]),
        ("[fd00::1]:9393/a.b_c", [Place("fd00::1", 9393, "a.b_c")]),
    ],
)
def test_the_variable_names_servers_and_sessions(text, places):
    assert parse_places(text) == places


@pytest.mark.parametrize(
    "text", ["", "gpu1", "gpu1:9393", "gpu1:0/a", "gpu1:70000/a", "gpu1:1/a,", ":1/a", "g:1/a/b"]
)
def test_a_variable_that_names_no_place_is_told(text):
    with pytest.raises(PlaceError, match=r"HEADRACE_STUB_DEVICES: found .* allowed host:port/session"):
        parse_places(text)


@pytest.mark.parametrize(
    "path", sorted(Path(client_tree.__file__).parent.rglob("*.py")), ids=lambda path: path.name
)
def test_the_clients_tree_is_python_3_8_and_imports_nothing_of_headrace(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    named = [
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level
    ]
    named += [each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names]
    assert [name for name in named if name.split(".")[0] == "headrace"] == []
