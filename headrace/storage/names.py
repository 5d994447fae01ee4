"""Which keys the fast client can name; all others take the sure road."""

import re

# object_store's Path refuses or rewrites keys with an empty segment, one of dots, or a control character:
# https://docs.rs/object_store/latest/object_store/path/struct.Path.html
_UNNAMEABLE = re.compile(r"[\x00-\x1f\x7f]|(?:^|/)\.{0,2}(?:/|$)|[\ud800-\udfff]")


def nameable(key: str) -> bool:
    """Whether obstore sends exactly this key."""
    return _UNNAMEABLE.search(key) is None
