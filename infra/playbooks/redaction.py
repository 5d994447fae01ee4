"""Secret values out of messages, in every form in which they are likely to be printed."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

MARK = "[secret]"
LEAST = 4  # characters; a shorter value would be found in half of all words


def redactor(secrets: object) -> Callable[[str], str]:
    """Puts a mark wherever one of the values in this tree stands."""
    forms = {form for value in values(secrets) for form in _forms(value) if len(form) >= LEAST}
    if not forms:
        return lambda text: text
    # The longest first: one value may begin with another.
    pattern = re.compile("|".join(re.escape(each) for each in sorted(forms, key=len, reverse=True)))
    return lambda text: pattern.sub(MARK, text)


def too_short(secrets: Mapping[str, object]) -> list[str]:
    """Names of secrets with a value that can't be kept out of messages."""
    return [name for name in sorted(secrets) if any(len(each) < LEAST for each in values(secrets[name]))]


def values(tree: object) -> Iterator[str]:
    """Every value in a tree, as text."""
    if isinstance(tree, Mapping):
        for each in tree.values():
            yield from values(each)
    elif isinstance(tree, list | tuple):
        for each in tree:
            yield from values(each)
    elif tree is not None:
        yield str(tree)


def _forms(value: str) -> Iterator[str]:
    lines = value.splitlines() if "\n" in value else []
    for text in (value, value.strip(), *(line.strip() for line in lines)):
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield repr(text)[1:-1]
        yield quote(text, safe="")
        yield base64.b64encode(text.encode()).decode()
