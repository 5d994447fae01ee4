"""How long a store is waited for, and whether a proxy may stand before it. The same on both roads."""

from urllib.parse import urlsplit

CONNECT_SECONDS = 2
READ_SECONDS = 15  # without one byte of an answer
COPY_SECONDS = 300  # likewise, where the store moves gigabytes before it answers
RETRIES = 3  # a call that is refused at once has failed after about two seconds


def loopback_host(endpoint: str) -> str | None:
    """The host of an endpoint on this machine, which no proxy can reach; None for any other."""
    host = urlsplit(endpoint).hostname
    return host if host in {"127.0.0.1", "localhost", "::1"} else None
