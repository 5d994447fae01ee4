"""From the course of one way to its result. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.assessment.candidates import Candidate
from headrace.assessment.measures import Measured, held_seconds, measured, price_a_thousand
from headrace.assessment.observing import Sight
from headrace.assessment.plan import Plan
from headrace.assessment.prices import UnpricedError
from headrace.assessment.result import BY_SERVER, BY_WORKER, GpuSeconds, Price, WayResult
from headrace.model.record import FailureRecord, Record


@dataclass(frozen=True, slots=True)
class Course:
    """What was seen. `late`: how long was waited for files in vain; `trouble`: why none was uploaded."""

    start_seconds: float | None = None
    ended: tuple[Record | FailureRecord, ...] = ()
    sight: Sight | None = None
    gpu_seconds: float | None = None  # of all files, by the servers' own count
    late: str = ""
    trouble: str = ""


def judged(plan: Plan, candidate: Candidate, course: Course) -> WayResult:
    """The result of one way."""
    done = [each for each in course.ended if isinstance(each, Record)]
    failed = [each for each in course.ended if isinstance(each, FailureRecord)]
    found = measured(done) if done else None
    return WayResult(
        candidate.name,
        candidate.way.told,
        tuple(sorted({record.gpu for record in done if record.gpu})),
        course.start_seconds,
        found,
        _gpu_seconds(candidate, course, done),
        None if found is None else _price(candidate, course, found),
        len(failed),
        course.trouble or _trouble(plan, course, failed),
    )


def _gpu_seconds(candidate: Candidate, course: Course, done: Sequence[Record]) -> GpuSeconds | None:
    if candidate.wish is None or not done:
        return None
    if course.gpu_seconds is not None:
        return GpuSeconds(course.gpu_seconds / len(done), BY_SERVER)
    return GpuSeconds(held_seconds(done, candidate.wish.count) / len(done), BY_WORKER)


def _price(candidate: Candidate, course: Course, found: Measured) -> Price | None:
    if course.sight is None:
        return None
    try:
        an_hour = course.sight.price_an_hour(candidate)
    except UnpricedError as error:
        return Price(None, str(error))
    return Price(price_a_thousand(an_hour, found.files_a_second))


def _trouble(plan: Plan, course: Course, failed: Sequence[FailureRecord]) -> str:
    """Why files have no result."""
    number = len(plan.files)
    missing = number - len(course.ended)
    said = [f"{len(failed)} of {number} files failed: {failed[0].reason}"] if failed else []
    if missing > 0:
        said.append(f"{missing} of {number} files had not ended {course.late}".rstrip())
    return "; ".join(said)
