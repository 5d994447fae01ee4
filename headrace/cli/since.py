"""`--since`: a moment, or how long ago it was."""

import re
from datetime import datetime

from headrace.model.errors import ConfigurationError

_AGE = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_since(text: str, now: float) -> float:
    """Seconds since the epoch; `now` likewise. Without a zone it is local time. Raises ConfigurationError."""
    if age := _AGE.fullmatch(text):
        return now - int(age[1]) * _SECONDS[age[2]]
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigurationError(
            f"found --since {text!r}, allowed an age such as 30m, 2h or 7d, or a moment such as 2026-05-01 "
            "or 2026-05-01T14:30"
        ) from error
