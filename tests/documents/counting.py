"""In figures, what becomes of all that the docs tell people to do."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.documents.survey import WHERE, Fate, Found


def told(blocks: Sequence[Found], sentences: Sequence[Found]) -> Iterator[str]:
    """Lines: blocks, which a reader copies, apart from sentences; then where they are run, or who judged."""
    yield f"of blocks: {_fates(blocks)}; in sentences: {_fates(sentences)}"
    for place, count in _by(blocks, Fate.RUN):
        yield f"  {count:4} run on {WHERE.get(place, 'any machine')}"
    for judge, count in _by(blocks, Fate.JUDGED):
        yield f"  {count:4} of blocks judged by {judge}"


def _fates(found: Sequence[Found]) -> str:
    """Of those fates that any has."""
    counts = Counter(each.fate for each in found)
    return ", ".join(f"{counts[fate]} {fate}" for fate in Fate if counts[fate])


def _by(found: Sequence[Found], fate: Fate) -> list[tuple[str, int]]:
    return Counter(each.by for each in found if each.fate is fate).most_common()
