"""The frames that client and server exchange, as bytes. No I/O.

A frame is a header (4 bytes `HRS1`, the head's length in 4 bytes, the payload's in 8, big-endian), a head (a
JSON object) and the payload, raw bytes. A request's head names its `call`; an answer's has `refused` and
`error` where the call was not done. Answers come in the order of requests, of which several may be under way.
"""

from __future__ import annotations

import json
import re
import struct
from math import prod
from typing import Any, Dict, Mapping, NamedTuple, Sequence, Union

import numpy as np

from .errors import FrameError

MAGIC = b"HRS1"
HEADER = struct.Struct("!4sIQ")
MOST_HEAD_BYTES = 2**16
MOST_PAYLOAD_BYTES = 2**32

Array = np.ndarray
Head = Dict[str, Any]
Buffer = Union[bytes, bytearray, memoryview]

# As numpy spells bool, int, uint and float, little-endian.
_NUMBERS = re.compile(r"\|[biu]1|<[iu][248]|<f[248]")
_MOST_DIMENSIONS = 32


class Header(NamedTuple):
    """The lengths of what follows."""

    head_bytes: int
    payload_bytes: int


def pack(head: Mapping[str, Any], payload_bytes: int = 0) -> bytes:
    """A frame up to its payload, which the caller sends behind it. Raises FrameError."""
    text = json.dumps(head, separators=(",", ":")).encode()
    if len(text) > MOST_HEAD_BYTES or payload_bytes > MOST_PAYLOAD_BYTES:
        raise FrameError(
            f"frame {str(head.get('call', 'answer'))[:40]}: found a head of {len(text)} and a payload of "
            f"{payload_bytes} bytes, allowed {MOST_HEAD_BYTES} and {MOST_PAYLOAD_BYTES}; send less at once"
        )
    return HEADER.pack(MAGIC, len(text), payload_bytes) + text


def parse_header(data: Buffer) -> Header:
    """From HEADER.size bytes. Raises FrameError."""
    magic, head_bytes, payload_bytes = HEADER.unpack(data)
    if magic != MAGIC:
        raise FrameError(
            f"frame: begins with {bytes(magic)!r}, allowed {MAGIC!r}; this is the port of a stub GPU server, "
            "which talks to its own client of the same version only"
        )
    if head_bytes > MOST_HEAD_BYTES or payload_bytes > MOST_PAYLOAD_BYTES:
        raise FrameError(
            f"frame: announces a head of {head_bytes} and a payload of {payload_bytes} bytes, allowed "
            f"{MOST_HEAD_BYTES} and {MOST_PAYLOAD_BYTES}"
        )
    return Header(head_bytes, payload_bytes)


def parse_head(data: Buffer) -> Head:
    """Raises FrameError."""
    try:
        head = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"frame: its head is no JSON: {error}") from error
    if not isinstance(head, dict):
        raise FrameError(f"frame: its head is a JSON {type(head).__name__}, allowed an object")
    return head


def describe(arrays: Mapping[str, Array]) -> tuple[list[Head], list[memoryview]]:
    """Arrays as a head tells them, and their bytes, which follow one another in the payload.

    Raises FrameError for what is not numbers.
    """
    described, buffers = [], []
    for name, array in arrays.items():
        flat = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        if not _NUMBERS.fullmatch(flat.dtype.str):
            raise FrameError(
                f"array {name[:80]!r}: found numbers of type {array.dtype}, allowed bool, int, uint and "
                "float of at most 8 bytes; no others can be sent to the GPU server"
            )
        described.append({"name": name, "dtype": flat.dtype.str, "shape": list(array.shape)})
        buffers.append(flat.reshape(-1).view(np.uint8).data)
    return described, buffers


def parse_arrays(described: Sequence[Mapping[str, Any]], payload: Buffer) -> dict[str, Array]:
    """The arrays in a payload, by name, without a copy. Raises FrameError."""
    found: dict[str, Array] = {}
    at = 0
    for each in described:
        name, dtype, shape = _parse_description(each)
        size = prod(shape) * dtype.itemsize
        if at + size > len(payload):
            raise FrameError(f"array {name[:80]!r}: ends at byte {at + size} of a payload of {len(payload)}")
        try:
            found[name] = np.ndarray(shape, dtype, payload, at)
        except ValueError as error:  # none of its lengths is too great, but all together
            raise FrameError(f"array {name[:80]!r}: shape {shape}: {error}") from error
        at += size
    if at != len(payload) or len(found) != len(described):
        raise FrameError(f"arrays: {len(found)} names of {at} bytes in a payload of {len(payload)} bytes")
    return found


def _parse_description(each: Mapping[str, Any]) -> tuple[str, np.dtype[Any], list[int]]:
    name, dtype, shape = each.get("name"), each.get("dtype"), each.get("shape")
    if not (
        isinstance(name, str)
        and isinstance(dtype, str)
        and _NUMBERS.fullmatch(dtype)
        and isinstance(shape, list)
        and len(shape) <= _MOST_DIMENSIONS
        and all(type(length) is int and 0 <= length < 2**40 for length in shape)
    ):
        raise FrameError(f"array: found {str(each)[:200]}, allowed a name, a dtype of numbers and a shape")
    return name, np.dtype(dtype), shape
