"""How a box stands, as its keeper writes it and others read it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tests.toolchain.cluster.place import Place

Phase = Literal["starting", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What stays while a box lives; `node` and `host` (this machine, from pods) are empty without a node."""

    bin: str
    api: str
    node: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """`ends`: how often each program ended since the box was up; `trouble` says why it failed."""

    phase: Phase
    facts: Facts
    ends: Mapping[str, int] = field(default_factory=dict)
    trouble: str = ""


def read(place: Place) -> Standing | None:
    """None where no keeper has written yet."""
    try:
        content: dict[str, Any] = json.loads(place.standing.read_text())
    except FileNotFoundError:
        return None
    return Standing(**{**content, "facts": Facts(**content["facts"])})


def write(place: Place, standing: Standing) -> None:
    """Whole or not at all."""
    new = place.standing.with_suffix(".new")
    new.write_text(json.dumps(asdict(standing), indent=1))
    new.replace(place.standing)
