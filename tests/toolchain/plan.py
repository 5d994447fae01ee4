"""What is to be done for an engine: decided on its stamp, on what lies there and on what PATH offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.toolchain.engines import Engine, outputs
from tests.toolchain.stamps import Stamp
from tests.toolchain.versions import Version, told


@dataclass(frozen=True, slots=True)
class OnPath:
    """A program found on PATH; `version` is None where it told none."""

    path: Path
    version: Version | None


@dataclass(frozen=True, slots=True)
class Step:
    """One engine's part of a run. Nothing in `links`, `builds` and `copies`: it stays as it is."""

    engine: Engine
    digest: str
    reason: str
    links: Mapping[str, OnPath]  # name of a binary to what it is linked to
    builds: tuple[str, ...]  # names of binaries
    copies: bool  # its shared folders
    notes: tuple[str, ...] = ()  # why what is on PATH was not taken

    @property
    def is_done(self) -> bool:
        return not (self.links or self.builds or self.copies)


def stale(
    engine: Engine, digest: str, stamp: Stamp | None, seen: Mapping[str, str | None]
) -> tuple[tuple[str, ...], str]:
    """The outputs to make anew, and why; `seen` has each output's mark now."""
    every = outputs(engine)
    if stamp is None:
        return every, "not made yet"
    if stamp.digest != digest:
        return every, "its sources, flags or Go changed"
    changed = tuple(each for each in every if seen.get(each) is None or seen[each] != stamp.marks.get(each))
    return changed, f"{', '.join(changed)} is gone or changed" if changed else "up to date"


def decide(
    engine: Engine, digest: str, wanted: tuple[str, ...], reason: str, offers: Mapping[str, OnPath]
) -> Step:
    """Links where PATH offers a version that fits, builds the rest."""
    links, builds, notes = {}, [], []
    for binary in engine.binaries:
        if f"bin/{binary.name}" not in wanted:
            continue
        offer = offers.get(binary.name)
        if offer and binary.fits and offer.version and offer.version in binary.fits:
            links[binary.name] = offer
            continue
        builds.append(binary.name)
        if offer and binary.fits:
            found = told(offer.version) if offer.version else "tells no version"
            notes.append(f"{offer.path} is not taken: {found}, wanted {binary.fits}")
    copies = any(each.startswith("share/") for each in wanted)
    return Step(engine, digest, reason, links, tuple(builds), copies, tuple(notes))
