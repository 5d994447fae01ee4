"""Which paths of SeaweedFS's filer are to be told of: those of every bucket but the platform's. Pure.

The filer's webhook takes prefixes to tell of, none to leave out, and reads them once. So the complement of
one name is spelt out as prefixes: buckets that come later are covered without a restart.
https://github.com/seaweedfs/seaweedfs/wiki/Filer-Notification-Webhook
"""

import string

BUCKETS = "/buckets/"
_FIRST = string.ascii_lowercase + string.digits  # what a bucket's name may begin with
_LATER = _FIRST + ".-"
_END = "/"  # behind a name that ends sooner


def everything_but(bucket: str) -> tuple[str, ...]:
    """Prefixes that begin the path of every object, but of none in this bucket; sorted."""
    found = []
    for place in range(len(bucket) + 1):
        allowed = _FIRST if place == 0 else _LATER + _END
        own = bucket[place] if place < len(bucket) else _END
        found += [f"{BUCKETS}{bucket[:place]}{other}" for other in allowed if other != own]
    return tuple(sorted(found))
