"""Texts of any length, as the document has room for them. Pure."""

from headrace.status.document import MOST_TEXT

_MORE = "…"


def bounded(text: str, most: int = MOST_TEXT) -> str:
    """The beginning of a text that is longer."""
    return text if len(text) <= most else text[: most - len(_MORE)] + _MORE
