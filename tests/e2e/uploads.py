"""What is uploaded, and a plain S3 client that uploads it until the store has acknowledged."""

import hashlib
import json
import random
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e.functions import FUNCTIONS, UPLOADS
from tests.e2e.oracle import Expected, Upload

THREADS = 6
GIVE_UP_SECONDS = 120.0  # a store that was killed is back long before
FAILING, OVERWRITTEN, LARGE = 0.02, 0.02, 0.01  # shares of the files
LARGE_BYTES = 300_000
FOLDERS = ("", "a/", "a/b c/", "ü+%25/")  # keys that are not their own URL encoding


@dataclass(frozen=True, slots=True)
class File:
    """Bytes for a key; `then` are the bytes that overwrite them at once."""

    function: str
    key: str
    data: bytes
    fails: bool = False
    then: bytes | None = None


def plan_files(count: int, seed: int, functions: Iterable[str] = FUNCTIONS) -> tuple[File, ...]:
    """So many files, all different, spread over the functions; the same for the same seed."""
    rng = random.Random(f"files {seed}")
    names = tuple(functions)
    return tuple(_plan_file(number, rng, names[number % len(names)]) for number in range(count))


def _plan_file(number: int, rng: random.Random, function: str) -> File:
    fails, overwritten = rng.random() < FAILING, rng.random() < OVERWRITTEN
    padding = LARGE_BYTES if rng.random() < LARGE else rng.randrange(200)
    key = f"{function}/{rng.choice(FOLDERS)}{number:06d}.bin"
    then = _data(number, rng, 50, version=2) if overwritten and not fails else None
    return File(function, key, _data(number, rng, padding, fail=fails), fails, then)


def _data(number: int, rng: random.Random, padding: int, *, fail: bool = False, version: int = 1) -> bytes:
    return json.dumps({"fail": fail, "number": number, "version": version}).encode() + rng.randbytes(padding)


class Uploader:
    """Uploads files from several threads; remembers in order what was acknowledged."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._uploads: list[Upload] = []
        self.repeats = 0  # puts that the store did not acknowledge

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """Everything acknowledged so far."""
        with self._lock:
            return tuple(self._uploads)

    def upload(self, files: Iterable[File]) -> None:
        """Upload all and return when all are acknowledged."""
        with ThreadPoolExecutor(THREADS) as threads:
            for _ in threads.map(self._upload, files):
                pass

    def _upload(self, file: File) -> None:
        expected = Expected.FAILED if file.fails else Expected.DONE
        for data in (file.data, file.then):
            if data is not None:
                self._put(file.key, data)
                etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
                with self._lock:
                    self._uploads.append(Upload(file.function, UPLOADS, file.key, etag, expected))

    def _put(self, key: str, data: bytes) -> None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                self._client.put_object(Bucket=UPLOADS, Key=key, Body=data)
            except (BotoCoreError, ClientError):
                if time.monotonic() > deadline:
                    raise
                with self._lock:
                    self.repeats += 1
                time.sleep(0.2)
            else:
                return
