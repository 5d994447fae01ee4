"""The page of the policy pack is followed: the platform of a production stack passes, on a control plane."""

from pathlib import Path

import pytest
import yaml

from tests.documents import checkout
from tests.documents.reading import ROOT, Block, blocks_of
from tests.documents.running import run_page
from tests.documents.surroundings import Surroundings, variables
from tests.documents.survey import PLANE, RUN, SHELL, blocks_for
from tests.infra.project import BY_ITSELF, NEEDED
from tests.toolchain.cluster.box import Box
from tests.toolchain.needed import search_path, toolchain

PAGE = "docs/policy.md"
STACK = Block("the reader's own", 1, SHELL, (RUN, PLANE), "pulumi stack init prod\n")
IMAGES = {name: f"{name}@sha256:{'0a' * 32}" for name in ("headrace", "nats", "seaweedfs")}

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


def test_a_production_stack_passes_as_the_page_says(control_plane: Box, tmp_path: Path) -> None:
    place = checkout.make(tmp_path / "reader")
    write_stack(place / "stacks/Pulumi.prod.yaml", control_plane)
    here = Surroundings(place, environ_of(place), PLANE, seconds=600)
    assert run_page([STACK, *blocks_of(PAGE)], here, tmp_path) == 2
    assert "by exceptions.yaml of the pack" in (tmp_path / "2.out").read_text()


def write_stack(path: Path, box: Box) -> None:
    """The lab's with images that are pinned, and without hosts."""
    content = yaml.safe_load((ROOT / "stacks/Pulumi.onprem.yaml").read_text())
    config = content["config"]
    for key in ("hosts", "pools", "imageRegistry"):
        del config[f"headrace:{key}"]
    own = {"kubeconfig": str(box.kubeconfig), "context": "box", "images": IMAGES}
    content["config"] = config | {f"headrace:{key}": value for key, value in own.items()}
    path.write_text(yaml.safe_dump(content))


def environ_of(place: Path) -> dict[str, str]:
    """With a state and a home of Pulumi's own."""
    usual = variables(place / ".venv/bin", place)
    (state := place.parent / "state").mkdir()
    return {
        **usual,
        "PATH": search_path(toolchain(*NEEDED), usual),
        "PULUMI_HOME": str(place.parent / "pulumi"),
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "of-the-reader",
        **BY_ITSELF,
    }


def test_no_other_page_needs_a_control_plane() -> None:
    said = {block.page for block in blocks_for(PLANE)}
    assert said == {PAGE}
