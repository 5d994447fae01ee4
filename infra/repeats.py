"""What stands twice in a list of settings where each may stand once."""

from collections.abc import Iterator, Sequence


def repeats(what: str, listed: Sequence[str]) -> Iterator[str]:
    """A fault for each that does; `what`: the key of the list."""
    for each in sorted({str(one) for one in listed if listed.count(one) > 1}):
        yield f"found {each} twice in {what}, allowed once; take one out"
