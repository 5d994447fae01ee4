"""Which images tests use: those of this checkout, and stand-ins for what a user takes from upstream."""

from pathlib import Path

from tests.toolchain.places import CHECKOUT
from tools.images.recipe import Recipe, recipes_in

HERE = Path(__file__).parent
REGISTRY = "headrace.test"  # a name that never resolves: what is not on the node can't be pulled
PYTHON, PLAIN = "python", "plain"
# As docs/images.md says of a base for a scaler that switches hosts.
INCLUDED = {PYTHON: ("python3", "ca-certificates", "ipmitool", "openssh-client"), PLAIN: ()}
PREFIX = "headrace-test-"
STAND_INS = {  # with their bases
    "debian": PLAIN, "nats": PLAIN, "oscar": PYTHON, "seaweedfs": PLAIN, "serving": PYTHON,
}  # fmt: skip
OSCAR_LOCK = CHECKOUT / "tests" / "bench" / "oscar.txt"  # the same supervisor as without a container


def recipes() -> dict[str, Recipe]:
    """By name."""
    return recipes_in(CHECKOUT) | {f"{PREFIX}{name}": _stand_in(name) for name in STAND_INS}


def base_of(name: str) -> str:
    """The services and functions are Python; most others get by without."""
    return STAND_INS[name.removeprefix(PREFIX)] if name.startswith(PREFIX) else PYTHON


def _stand_in(name: str) -> Recipe:
    folder = HERE / name
    lock = OSCAR_LOCK if name == "oscar" else folder / "requirements.txt"
    containerfile = (folder / "Containerfile").read_text()
    return Recipe(f"{PREFIX}{name}", "test", containerfile, lock=lock.read_text() if lock.exists() else None)
