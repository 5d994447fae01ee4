"""Which images tests use: those of this checkout, and stand-ins for what a user takes from upstream."""

from pathlib import Path

from tests.toolchain.places import CHECKOUT
from tools.images.recipe import Recipe, recipes_in

HERE = Path(__file__).parent
REGISTRY = "headrace.test"  # a name that never resolves: what is not on the node can't be pulled
PYTHON, PLAIN = "python", "plain"
INCLUDED = {PYTHON: ("python3", "ca-certificates"), PLAIN: ()}
STAND_INS = ("debian", "nats", "seaweedfs")


def recipes() -> dict[str, Recipe]:
    """By name."""
    return recipes_in(CHECKOUT) | {f"headrace-test-{name}": _stand_in(name) for name in STAND_INS}


def base_of(name: str) -> str:
    """The services and functions are Python; the others get by without."""
    return PLAIN if name.startswith("headrace-test-") else PYTHON


def _stand_in(name: str) -> Recipe:
    folder, lock = HERE / name, HERE / name / "requirements.txt"
    containerfile = (folder / "Containerfile").read_text()
    return Recipe(
        f"headrace-test-{name}", "test", containerfile, lock=lock.read_text() if lock.exists() else None
    )
