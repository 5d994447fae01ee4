"""What both clients do with httpx2: logins, bodies piece by piece, a broken connection as our error."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2

from headrace.client.calls import Answer, Progress, Source
from headrace.client.errors import UnreachableError

PIECE_BYTES = 256 * 1024
WAIT_SECONDS = 0.25  # between two looks at a task, at first
LONGEST_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Login:
    """A user's name and password, or a service's token."""

    user: str = ""
    password: str = ""
    token: str = ""

    @property
    def auth(self) -> httpx2.Auth | None:
        if self.token:
            return _Bearer(self.token)
        return httpx2.BasicAuth(self.user, self.password) if self.user else None


class _Bearer(httpx2.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Iterator[httpx2.Request]:  # type: ignore[override]  # a generator is one
        request.headers["authorization"] = f"Bearer {self._token}"
        yield request


def size_of(source: Source) -> int:
    """In bytes."""
    return source.stat().st_size if isinstance(source, Path) else len(source)


def pieces(source: Source, progress: Progress | None) -> Iterator[bytes]:
    """A body, piece by piece, and how much of it has been taken."""
    total, sent = size_of(source), 0
    for piece in _read(source):
        yield piece
        sent += len(piece)
        if progress is not None:
            progress(sent, total)


async def flowing(source: Source, progress: Progress | None) -> AsyncIterator[bytes]:
    """The same, where reading must not hold the others up."""
    flow = pieces(source, progress)
    while (piece := await asyncio.to_thread(next, flow, None)) is not None:
        yield piece


def _read(source: Source) -> Iterator[bytes]:
    if isinstance(source, bytes):
        for start in range(0, len(source), PIECE_BYTES):
            yield source[start : start + PIECE_BYTES]
        return
    with source.open("rb") as file:
        yield from iter(partial(file.read, PIECE_BYTES), b"")


def headers_of(headers: Mapping[str, str], source: Source) -> dict[str, str]:
    """With the length, so that what is too large is refused before it is sent."""
    size = size_of(source)
    return {**headers, "content-length": str(size)} if size else dict(headers)


def answer_of(response: httpx2.Response) -> Answer:
    """As calls read it."""
    return Answer(response.status_code, dict(response.headers), response.content)


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Errors of the connection as ours."""
    try:
        yield
    except httpx2.HTTPError as error:
        raise UnreachableError(f"{url}: no answer ({str(error) or type(error).__name__})") from error
