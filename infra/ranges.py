"""Address ranges in a stack's settings."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"found {text!r}, allowed an address range like 10.0.0.0/8; write one ({error})"
        ) from error
    return text


Range = Annotated[str, AfterValidator(_network)]
EVERYWHERE: tuple[Range, ...] = ("0.0.0.0/0", "::/0")
