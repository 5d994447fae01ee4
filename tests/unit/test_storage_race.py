"""A store that lets two writers win, or none, is refused at the start."""

import pytest

from headrace.model.errors import FatalError, TransientError
from headrace.storage.memory import MemoryStorage
from headrace.storage.race import KEYS, PREFIX, WRITERS, race_check


class _Store(MemoryStorage):
    """Deviates in `create` from a store that keeps its word, for keys whose number is in `bad`."""

    def __init__(self, bad: frozenset[int] = frozenset()) -> None:
        super().__init__(now=lambda: 0.0)
        self._bad = bad
        self.calls = 0

    async def create(self, bucket: str, key: str, body: bytes) -> bool:
        self.calls += 1
        if int(key.rpartition("/")[2]) in self._bad:
            return await self.deviate(bucket, key, body)
        return await super().create(bucket, key, body)

    async def deviate(self, bucket: str, key: str, body: bytes) -> bool:
        raise NotImplementedError


class _AllWin(_Store):
    async def deviate(self, bucket: str, key: str, body: bytes) -> bool:
        await self.put(bucket, key, body)
        return True


class _NoneStored(_Store):
    async def deviate(self, bucket: str, key: str, body: bytes) -> bool:
        return False


class _WinnerOverwritten(_Store):
    async def deviate(self, bucket: str, key: str, body: bytes) -> bool:
        await self.put(bucket, key, body)
        return body == b"writer 0"


class _WinnerNotTold(_Store):
    async def deviate(self, bucket: str, key: str, body: bytes) -> bool:
        await MemoryStorage.create(self, bucket, key, body)
        return False


async def _left(store: MemoryStorage) -> list[str]:
    return [info.key async for info in store.list("b", PREFIX)]


async def test_a_store_that_keeps_its_word_passes_and_is_left_clean():
    store = _Store()
    await store.ensure_bucket("b")
    await race_check(store, "b")
    assert store.calls == KEYS * WRITERS
    assert await _left(store) == []


@pytest.mark.parametrize("kind", [_AllWin, _NoneStored, _WinnerOverwritten])
@pytest.mark.parametrize("bad", [{0}, {KEYS - 1}, set(range(KEYS))])
async def test_one_key_without_exactly_one_winner_is_fatal(kind: type[_Store], bad: set[int]):
    store = kind(frozenset(bad))
    await store.ensure_bucket("b")
    with pytest.raises(FatalError, match="exactly one may succeed"):
        await race_check(store, "b")
    assert await _left(store) == [], "it cleans up"


async def test_a_winner_whose_answer_was_lost_is_no_proof_against_the_store():
    store = _WinnerNotTold(frozenset({3}))
    await store.ensure_bucket("b")
    with pytest.raises(TransientError):
        await race_check(store, "b")
