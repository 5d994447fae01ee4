"""The demo's report: one HTML file that loads nothing from anywhere.

Keys, reasons and everything else that came from outside are untrusted: they are escaped, and control and
bidirectional characters are shown instead of obeyed.
"""

import base64
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from jinja2 import Environment, PackageLoader, StrictUndefined

from headrace.local.audit import Audit
from headrace.local.measures import Sharing, Spread, Timeline, value_at


class Source(StrEnum):
    """Where a file of the demo came from."""

    REAL = "real"
    DERIVED = "derived"
    DRAWN = "drawn"


@dataclass(frozen=True, slots=True)
class Picture:
    """An image to be put into the page itself."""

    media_type: str
    data: bytes
    width: int
    height: int

    @property
    def url(self) -> str:
        """The image as a data: address."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True, slots=True)
class Clip:
    """One classified file. `probability` is the mean over its frames, None where the result has none.

    `expected` is the view that a person knows it to be, None where nobody said.
    """

    name: str
    source: Source
    description: str
    view: str
    probability: float | None
    doppler: bool
    picture: Picture | None
    expected: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def right(self) -> bool | None:
        """Whether the view found is the view known; None where it is not known."""
        return None if self.expected is None else self.view == self.expected


@dataclass(frozen=True, slots=True)
class TimelinePictures:
    """The timeline as drawn for light and dark pages, wide and narrow."""

    light: Picture
    dark: Picture
    light_narrow: Picture
    dark_narrow: Picture


@dataclass(frozen=True)
class ReportData:
    """All that the page shows. `created` is a date for people; `seconds` from first upload to last record."""

    created: str
    machine: str
    runtime: str
    seconds: float
    audit: Audit
    timeline: Timeline
    pictures: TimelinePictures
    times: tuple[Spread, ...]
    sharing: Sharing
    clips: tuple[Clip, ...]
    stills: tuple[Picture, ...]
    most_workers: int
    functions: tuple[str, ...]
    next_steps: tuple[tuple[str, str], ...]  # (command, what it does)

    @cached_property
    def real(self) -> tuple[Clip, ...]:
        """Clips of real files, the one whose view is known first."""
        real = [clip for clip in self.clips if clip.source is Source.REAL]
        return tuple(sorted(real, key=lambda clip: clip.expected is None))

    @cached_property
    def derived(self) -> tuple[Clip, ...]:
        """Clips made from a real one."""
        return tuple(clip for clip in self.clips if clip.source is Source.DERIVED)

    @property
    def judged(self) -> tuple[int, int]:
        """Derived clips whose view is known: right ones, all."""
        known = [clip for clip in self.derived if clip.right is not None]
        return sum(1 for clip in known if clip.right), len(known)

    @property
    def timeline_text(self) -> str:
        """The timeline in words, for those who can't see it."""
        most = max((value for _, value in self.timeline.waiting), default=0)
        half = value_at(self.timeline.finished, self.timeline.seconds / 2)
        end = value_at(self.timeline.finished, self.timeline.seconds)
        return (
            f"Over {self.timeline.seconds:.0f} seconds: at most {most} files waited at once, up to "
            f"{self.most_workers} workers ran, {half} files were finished at half time, {end} at the end."
        )


# Shown as an escape instead of obeyed: controls, bidirectional formats, lone surrogates, private use.
_SHOWN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str) -> str:
    """Text that can't hide, reorder or break anything."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _SHOWN
        else character
        for character in text
    )


def seconds_text(seconds: float) -> str:
    """A duration with the precision that it deserves: milliseconds below one second."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def render_report(data: ReportData) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("headrace.local"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(visible=visible, seconds=seconds_text)
    return environment.get_template("report.html.j2").render(data=data)
