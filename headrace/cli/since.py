"""Spans and moments as options have them: `2h`, or `2026-05-01T14:30`."""

import re
from datetime import datetime

from headrace.model.errors import ConfigurationError

_SPAN = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_span(text: str, option: str) -> float:
    """Seconds of a span such as 30m, 2h or 7d. Raises ConfigurationError, which names the option."""
    if seconds := _span(text):
        return seconds
    raise ConfigurationError(f"found {option} {text!r}, allowed a span such as 30m, 2h or 7d")


def parse_since(text: str, now: float) -> float:
    """Seconds since the epoch; `now` likewise. Without a zone it is local time. Raises ConfigurationError."""
    if seconds := _span(text):
        return now - seconds
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigurationError(
            f"found --since {text!r}, allowed an age such as 30m, 2h or 7d, or a moment such as 2026-05-01 "
            "or 2026-05-01T14:30"
        ) from error


def _span(text: str) -> float:
    """Seconds; 0: it is none."""
    found = _SPAN.fullmatch(text)
    return float(int(found[1]) * _SECONDS[found[2]]) if found else 0.0
