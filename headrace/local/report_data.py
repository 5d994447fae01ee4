"""From a demo's run to what its report shows: pictures made small, figures summed up."""

import platform
import time
from pathlib import Path, PurePosixPath

from headrace.local.board import DemoRun
from headrace.local.demo import known
from headrace.local.evidence import Worked
from headrace.local.gallery import png, thumbnail
from headrace.local.measures import Timeline, sharing, spreads, timeline
from headrace.local.plot import DARK, LIGHT, narrow, timeline_png
from headrace.local.report import Clip, Picture, ReportData, TimelinePictures
from headrace.local.samples import Sample
from headrace.local.stack import RUNTIME, cores_of_this_machine

FEATURE_PIXELS = 1100  # the real clip, shown large
CARD_PIXELS = 420  # a card is 200 pixels wide: sharp on a screen of double density
STILL_PIXELS = 240


def report_data(run: DemoRun, *, next_steps: tuple[tuple[str, str], ...]) -> ReportData:
    """All that the page shows."""
    records = run.evidence.done
    course = timeline(records, run.workers, start=run.start, scalings=run.scalings)
    keys = {(upload.function, upload.bucket, upload.key): upload.uploaded for upload in run.uploads}
    uploaded = {
        r.task.id: keys[place]
        for r in records
        if (place := (r.task.function, r.task.bucket, r.task.key)) in keys
    }
    classified = [each for each in run.evidence.worked if each.finding is not None]
    inference = [each.finding.seconds.get("inference") for each in classified if each.finding is not None]
    return ReportData(
        created=time.strftime("%d %B %Y, %H:%M", time.localtime(run.start)),
        machine=machine(),
        runtime=RUNTIME,
        seconds=run.seconds,
        audit=run.audit,
        timeline=course,
        pictures=draw(course),
        times=spreads(
            records,
            [each.record for each in classified],
            uploaded=uploaded,
            inference=[seconds for seconds in inference if seconds is not None],
        ),
        sharing=sharing([each.record for each in classified]),
        clips=clips(run),
        stills=stills(run),
        most_workers=max((number for _, number in run.workers), default=0),
        functions=tuple(sorted({sample.function for sample in run.samples})),
        next_steps=next_steps,
    )


def machine() -> str:
    """This machine in words."""
    return f"{cores_of_this_machine()} cores, {platform.machine()}, Python {platform.python_version()}"


def draw(course: Timeline) -> TimelinePictures:
    """The timeline for each kind of page."""
    looks = (LIGHT, DARK, narrow(LIGHT), narrow(DARK))
    return TimelinePictures(*(png(timeline_png(course, look)) for look in looks))


def clips(run: DemoRun) -> tuple[Clip, ...]:
    """Every classified file, in order of names."""
    samples = known(run.samples)
    pairs = ((each, samples.get(("echo", _name(each)))) for each in run.evidence.worked)
    found = [_clip(each, sample) for each, sample in pairs if sample is not None]
    return tuple(sorted(found, key=lambda clip: clip.name))


def _clip(worked: Worked, sample: Sample) -> Clip:
    finding, picture = worked.finding, None
    if worked.picture is not None:
        large = sample.expected is not None and sample.source.value == "real"
        picture = thumbnail(worked.picture, most_pixels=FEATURE_PIXELS if large else CARD_PIXELS)
    return Clip(
        name=_name(worked),
        source=sample.source,
        description=sample.description,
        view=(finding.view if finding else None) or "no view",
        probability=finding.probability if finding else None,
        doppler=finding.doppler.found if finding else False,
        picture=picture,
        expected=sample.expected,
        warnings=finding.warnings if finding else (),
    )


def stills(run: DemoRun) -> tuple[Picture, ...]:
    """What the thumbnail function made."""
    made = (each for each in run.evidence.worked if each.record.task.function == "thumbnail")
    pictures = (thumbnail(each.picture, most_pixels=STILL_PIXELS) for each in made if each.picture)
    return tuple(picture for picture in pictures if picture is not None)


def _name(worked: Worked) -> str:
    return PurePosixPath(worked.record.task.key).name


def next_steps(state: Path, functions: Path) -> tuple[tuple[str, str], ...]:
    """Commands worth trying after a demo, and what they do."""
    kept = f"--state {state}"
    return (
        (
            f"headrace up {kept} --functions {functions}",
            "starts this stack again, with the demo's files and results",
        ),
        (f"headrace explain s3://uploads/echo/real-four-chamber.dcm {kept}", "tells one file's whole story"),
        (f"headrace results echo {kept}", "lists what the function has made"),
        ("headrace function new mine --script", "begins a function of your own"),
    )
