"""A box's node is given images; the files that name them, and what is said of a name that is none."""

import json
from pathlib import Path
from typing import cast

import pytest

from tests.toolchain.cluster import supply
from tests.toolchain.cluster.box import Box
from tests.toolchain.cluster.place import Place
from tests.toolchain.images.store import BuiltImage, Images
from tests.toolchain.running import ToolchainError

NAMES = ("headrace", "invert", "headrace-test-debian", "headrace-test-nats", "headrace-test-seaweedfs")
STORE = cast("Images", {name: BuiltImage(Path(f"{name}.tar"), f"headrace.test/{name}:1") for name in NAMES})


class Loaded(Box):
    """Keeps no image."""

    def load_image(self, archive: Path) -> None:
        (self.place.root / archive.name).touch()


def box_in(folder: Path) -> Box:
    return Loaded(Place(folder), folder, "https://198.18.1.1:6443")


def test_the_node_gets_services_servers_and_functions_and_a_file_names_them(tmp_path: Path) -> None:
    path, built = supply.give(box_in(tmp_path), STORE, ())
    assert list(built) == ["headrace", "nats", "seaweedfs", "invert"]
    assert built["nats"] == "headrace.test/headrace-test-nats:1"
    assert json.loads(path.read_text()) == built
    assert {each.name for each in tmp_path.glob("*.tar")} == {
        f"{name}.tar" for name in NAMES if name != "headrace-test-debian"
    }


def test_what_was_given_before_stays_in_the_file(tmp_path: Path) -> None:
    supply.give(box_in(tmp_path), STORE, ["headrace"])
    path, built = supply.give(box_in(tmp_path), STORE, ["invert"])
    assert list(built) == ["invert"]
    assert set(json.loads(path.read_text())) == {"headrace", "invert"}


def test_an_unknown_name_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="no image inwert; known: headrace, nats, seaweedfs, invert"):
        supply.give(box_in(tmp_path), STORE, ["inwert"])


def test_the_platforms_images_are_set_by_pulumi() -> None:
    assert supply.settings({"headrace": "h:1", "nats": "n:1", "invert": "i:1"}) == [
        "pulumi config set --path images.headrace h:1",
        "pulumi config set --path images.nats n:1",
    ]
