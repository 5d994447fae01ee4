"""The page "Images" is followed: images of a whole checkout, pushed to a registry on this machine."""

import json
from pathlib import Path

import pytest

from tests.documents import checkout
from tests.documents.following import as_followed
from tests.documents.running import run_page
from tests.documents.surroundings import Surroundings, variables
from tests.documents.survey import ENGINE, blocks_for
from tests.integration.test_images import Registry, registry, second_store  # noqa: F401  (a fixture)
from tests.toolchain.images.recipes import PYTHON
from tests.toolchain.images.store import Images

PAGE = "docs/images.md"

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


def test_images_are_built_and_pushed_as_the_page_says(
    images: Images,
    registry: tuple[str, type[Registry]],  # noqa: F811
    tmp_path: Path,
) -> None:
    address, server = registry
    place = checkout.make(tmp_path / "reader")
    with second_store(images, tmp_path / "store", PYTHON) as store:
        base = store.shop(PYTHON).settings.base
        own = f'reference = "{base.reference}"\npython = "{base.python}"\n'  # no public registry is asked
        (place / "images/base.toml").write_text(own)
        environ = {**variables(place / ".venv/bin", place), **store.environ}
        here = Surroundings(place, environ, ENGINE, seconds=1800)
        blocks = list(as_followed(PAGE, {"registry.example": address}))
        assert run_page(blocks, here, tmp_path) == 1
    recorded = json.loads((place / "build/images/images.json").read_text())
    assert recorded.keys() == {"headrace", "echo"}
    assert all(each.startswith(f"{address}/team/") for each in recorded.values())
    assert {path.split("/")[3] for path in server.manifests} == {"headrace", "echo"}


def test_no_other_page_needs_an_engine() -> None:
    said = {block.page for block in blocks_for(ENGINE)}
    assert said == {PAGE}
