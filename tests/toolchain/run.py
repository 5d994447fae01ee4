"""One run over the parts asked for: engines, Debian packages, Pulumi's Python; one at a time, each told."""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.toolchain import build, hosts, packages
from tests.toolchain.engines import ENGINES, Engine
from tests.toolchain.go import Go, find_go
from tests.toolchain.places import Places
from tests.toolchain.plan import Step
from tests.toolchain.running import Spent, ToolchainError
from tests.toolchain.versions import told

PACKAGES = "packages"
NAMES = (*(engine.name for engine in ENGINES), hosts.NAME, PACKAGES)
USUAL = tuple(
    name for name in NAMES if name not in {engine.name for engine in ENGINES if engine.is_for_long_tests}
)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one part; `state` is ready (nothing was to do), made, planned or failed."""

    name: str
    state: str
    told: str
    spent: Spent = field(default_factory=lambda: Spent(0, 0))


def chosen(names: Sequence[str], *, long: bool) -> Sequence[str]:
    """Those that are named; else all, or all but what only tests of minutes need."""
    return names or (NAMES if long else USUAL)


def work_on(names: Sequence[str], places: Places, tell: Tell, *, dry_run: bool) -> list[Outcome]:
    """Make the named parts ready, in the table's order. One that fails doesn't hinder the others."""
    places.root.mkdir(parents=True, exist_ok=True)
    with _alone(places, tell):
        build.clear_leavings(places)
        outcomes = []
        for name in (each for each in NAMES if each in names):
            try:
                outcome = _work_on_part(name, places, tell, dry_run=dry_run)
            except (ToolchainError, OSError) as fault:
                outcome = Outcome(name, "failed", str(fault))
            tell(told_of_outcome(outcome))
            outcomes.append(outcome)
        return outcomes


def _work_on_part(name: str, places: Places, tell: Tell, *, dry_run: bool) -> Outcome:
    if name == PACKAGES:
        return _packages(places, tell, dry_run=dry_run)
    if name == hosts.NAME:
        return _hosts(places, dry_run=dry_run)
    engine = next(each for each in ENGINES if each.name == name)
    return _engine(engine, places, tell, dry_run=dry_run)


def _engine(engine: Engine, places: Places, tell: Tell, *, dry_run: bool) -> Outcome:
    go = find_go(places, tell, dry_run=dry_run)
    step = build.plan(engine, places, go)
    for note in step.notes:
        tell(f"{engine.name}: {note}")
    if step.is_done:
        return Outcome(engine.name, "ready", engine.version)
    story = told_of(step, go)
    if dry_run:
        return Outcome(engine.name, "planned", f"{story} ({step.reason})")
    tell(f"{engine.name} {engine.version}: {story} ({step.reason})")
    return Outcome(engine.name, "made", story, build.perform(step, places, go))


def told_of(step: Step, go: Go) -> str:
    """What a step does, in words."""
    parts = []
    if step.builds:
        parts.append(f"build {', '.join(step.builds)} with Go {told(go.version)}")
    parts += [f"link {name} to {offer.path}" for name, offer in step.links.items()]
    if step.copies:
        parts.append(f"copy share/{step.engine.name}")
    return "; ".join(parts)


def _hosts(places: Places, *, dry_run: bool) -> Outcome:
    if hosts.are_in_place(places):
        return Outcome(hosts.NAME, "ready", str(hosts.folder(places)))
    if dry_run:
        return Outcome(hosts.NAME, "planned", f"write {hosts.folder(places)}")
    hosts.put_in_place(places)
    return Outcome(hosts.NAME, "made", f"wrote {hosts.folder(places)}")


def _packages(places: Places, tell: Tell, *, dry_run: bool) -> Outcome:
    lacking = packages.missing_here()
    if not lacking:
        return Outcome(PACKAGES, "ready", "all are installed")
    story = f"install {', '.join(lacking)}"
    if dry_run:
        return Outcome(PACKAGES, "planned", story)
    tell(f"{PACKAGES}: {story}")
    spent = packages.install(lacking, places)
    return Outcome(PACKAGES, "made", story, spent)


def told_of_outcome(outcome: Outcome) -> str:
    """The line for people; what was made has been told before."""
    if outcome.state == "made":
        spent = outcome.spent
        return f"{outcome.name}: made in {spent.clock:.0f} s, {spent.processor:.0f} s of processor time"
    return f"{outcome.name}: {outcome.state}: {outcome.told}"


@contextmanager
def _alone(places: Places, tell: Tell) -> Iterator[None]:
    """One run at a time in a folder; a second waits."""
    with places.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"another run works in {places.root}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
