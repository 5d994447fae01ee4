"""`python -m tools.images [NAME ...]`: builds this checkout's images; called again it has nothing to do.

Progress goes to stderr. Exit codes: 0 all are ready (or, with --dry-run, told), 1 one failed, 2 wrong call.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.images.build import Outcome, Shop, State, reference_of
from tools.images.context import find_uv
from tools.images.engine import ENGINES, engine
from tools.images.faults import ImagesError
from tools.images.recipe import Base, Recipe, Settings, base_in, recipes_in

CHECKOUT = Path(__file__).parents[2]
MEGABYTE = 1_000_000


def main(arguments: Sequence[str], checkout: Path = CHECKOUT) -> int:
    """Returns the exit code."""
    asked = _parser().parse_args(arguments)
    logging.getLogger("debian.copyright").setLevel(logging.ERROR)  # it warns of other people's small slips
    recipes = recipes_in(checkout)
    if unknown := sorted(set(asked.names) - set(recipes)):
        _tell(f"there is no {', '.join(unknown)}; known: {', '.join(recipes)}")
        return 2
    if asked.push and not asked.registry:
        _tell("--push needs --registry: where to")
        return 2
    try:
        shop = _shop(asked, checkout)
    except ImagesError as fault:
        _tell(str(fault))
        return 1
    outcomes = _work(shop, [recipes[name] for name in asked.names or recipes], asked)
    _answer(shop, outcomes, as_json=asked.json)
    return int(any(outcome.state is State.FAILED for outcome in outcomes))


def _shop(asked: argparse.Namespace, checkout: Path) -> Shop:
    known = base_in(checkout)
    base = Base(asked.base or known.reference, asked.python or known.python)
    if not base.is_pinned:
        _tell(f"the base {base.reference} is not pinned by a digest: later builds may differ")
    settings = Settings.of(base, os.environ)
    output = (asked.output or checkout / "build" / "images").absolute()
    return Shop(output, engine(asked.engine), find_uv(CHECKOUT), settings, _tell)


def _work(shop: Shop, recipes: Sequence[Recipe], asked: argparse.Namespace) -> list[Outcome]:
    outcomes = []
    for recipe in recipes:
        reference = reference_of(recipe, asked.registry)
        outcome = shop.make(recipe, reference, push=asked.push, again=asked.again, dry_run=asked.dry_run)
        if outcome.state is State.FAILED:
            _tell(f"{outcome.name}: {outcome.told}")
        outcomes.append(outcome)
    if not asked.dry_run:
        shop.record(outcomes)
    return outcomes


def _answer(shop: Shop, outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    if as_json:
        told = json.dumps(document(shop, outcomes), indent=2)
    else:
        told = "\n".join(line(each) for each in outcomes)
    sys.stdout.write(told + "\n")


def document(shop: Shop, outcomes: Sequence[Outcome]) -> dict[str, object]:
    """What --json prints; the names are stable."""
    return {
        "engine": shop.engine.name,
        "base": shop.settings.base.reference,
        "images": [
            {
                "name": each.name,
                "state": each.state.value,
                "reference": each.reference,
                "digest": each.digest,
                "pushed": bool(each.stamp and each.stamp.pushed_digest),
                "archive": str(shop.archive(each.name)) if each.stamp else "",
                "bill": str(shop.bill(each.name)) if each.stamp else "",
                "layerBytes": each.stamp.layer_bytes if each.stamp else 0,
                "seconds": round(each.seconds, 1),
                "told": each.told,
            }
            for each in outcomes
        ],
    }


def line(outcome: Outcome) -> str:
    """One image for people."""
    if outcome.stamp is None:
        return f"{outcome.name:<12} {outcome.state.value:<8} {outcome.reference}"
    size = outcome.stamp.layer_bytes / MEGABYTE
    return (
        f"{outcome.name:<12} {outcome.state.value:<8} {outcome.reference}@{outcome.digest}  "
        f"{size:.0f} MB, {outcome.seconds:.1f} s"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.images",
        description="Build OCI archives of this checkout's images, with a bill of materials beside each.",
        epilog="SOURCE_DATE_EPOCH sets the time of all files. docs/images.md tells more.",
    )
    add = parser.add_argument
    add(
        "names",
        nargs="*",
        metavar="NAME",
        help="headrace, or a function with a Containerfile; all without one",
    )
    add("--registry", default="", help="where the images belong, such as registry.example/team")
    add("--push", action="store_true", help="push them there; the engine's own login is used")
    add("--base", help="another base than images/base.toml names; --python goes with it")
    add("--python", metavar="X.Y", help="version of the base's Python")
    add("--engine", choices=[each.name for each in ENGINES], help="the first that answers without it")
    add("--output", type=Path, help="build/images without it")
    add("--again", action="store_true", help="build what is ready, too")
    add("--dry-run", action="store_true", help="tell what would be built")
    add("--json", action="store_true", help="print one document instead of lines")
    return parser


def _tell(line: str) -> None:
    sys.stderr.write(f"images: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
