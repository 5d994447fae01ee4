"""`python -m tests.toolchain [NAME ...]`: makes the tests' engines ready; called again it has nothing to do.

Progress goes to stderr. Exit codes: 0 all is ready (or, with --dry-run, told), 1 a part failed, 2 wrong call.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence

from tests.toolchain.places import VARIABLE, Places
from tests.toolchain.run import NAMES, USUAL, Outcome, chosen, work_on

NICENESS = 10  # a cold build takes half an hour; the machine stays usable


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    asked = _parser().parse_args(arguments)
    if unknown := sorted(set(asked.names) - set(NAMES)):
        sys.stderr.write(f"toolchain: there is no {', '.join(unknown)}; known: {', '.join(NAMES)}\n")
        return 2
    if sys.platform != "linux":
        sys.stderr.write(f"toolchain: the engines run on Linux only, this is {sys.platform}\n")
        return 1
    places, start = Places.of(os.environ), time.monotonic()
    os.nice(NICENESS)
    outcomes = work_on(chosen(asked.names, long=asked.long), places, _tell, dry_run=asked.dry_run)
    seconds = time.monotonic() - start
    if asked.json:
        sys.stdout.write(json.dumps(document(places, outcomes, seconds), indent=2) + "\n")
    else:
        sys.stdout.write(summary(places, outcomes, seconds) + "\n")
    return int(any(outcome.state == "failed" for outcome in outcomes))


def document(places: Places, outcomes: Sequence[Outcome], seconds: float) -> dict[str, object]:
    """What --json prints; the names are stable."""
    parts = [
        {
            "name": outcome.name,
            "state": outcome.state,
            "told": outcome.told,
            "seconds": round(outcome.spent.clock, 1),
            "processorSeconds": round(outcome.spent.processor, 1),
        }
        for outcome in outcomes
    ]
    return {"folder": str(places.root), "seconds": round(seconds, 1), "parts": parts}


def summary(places: Places, outcomes: Sequence[Outcome], seconds: float) -> str:
    """One line for people."""
    counts = {
        state: sum(outcome.state == state for outcome in outcomes)
        for state in ("ready", "made", "planned", "failed")
    }
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"toolchain in {places.root}: {told}; {seconds:.1f} s"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.toolchain",
        description="Build the engines that tests run on; the first time takes half an hour on two cores.",
        epilog=f"{VARIABLE} names another folder than headrace/toolchain in the user's cache folder.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"without one: {', '.join(USUAL)}")
    parser.add_argument("--long", action="store_true", help=f"also {_told_of_long()}, for tests of minutes")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done")
    parser.add_argument("--json", action="store_true", help="print one document instead of a line")
    return parser


def _told_of_long() -> str:
    return ", ".join(name for name in NAMES if name not in USUAL)


def _tell(line: str) -> None:
    sys.stderr.write(f"toolchain: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
