"""What a function's author can set, by environment variables of function.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass

from echo.doppler import DEFAULT_FRACTION

DEFAULT_FRAMES = 8
SWITCH = {"0": False, "1": True}


@dataclass(frozen=True, slots=True)
class Options:
    """`frames` None means all of a clip."""

    frames: int | None = DEFAULT_FRAMES
    animation: bool = False
    doppler_fraction: float = DEFAULT_FRACTION


def read_options(environment: Mapping[str, str]) -> Options:
    """From ECHO_FRAMES, ECHO_ANIMATION and ECHO_DOPPLER_FRACTION. Raises ValueError with what is allowed."""
    return Options(
        frames=_frames(environment.get("ECHO_FRAMES", str(DEFAULT_FRAMES))),
        animation=_switch(environment.get("ECHO_ANIMATION", "0")),
        doppler_fraction=_fraction(environment.get("ECHO_DOPPLER_FRACTION", str(DEFAULT_FRACTION))),
    )


def _frames(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"ECHO_FRAMES is {text!r}; allowed are a whole number from 1 and 'all'")
    return int(text)


def _switch(text: str) -> bool:
    if text not in SWITCH:
        raise ValueError(f"ECHO_ANIMATION is {text!r}; allowed are 0 and 1")
    return SWITCH[text]


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise ValueError(f"ECHO_DOPPLER_FRACTION is {text!r}; allowed is a number above 0, at most 1")
    return value
