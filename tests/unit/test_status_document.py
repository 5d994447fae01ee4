"""The document of the status page: its written example is what the models write, to the last field."""

import json
from pathlib import Path

from headrace.status.document import Document

EXAMPLE = Path(__file__).parents[2] / "docs/examples/status/status.json"


def test_the_example_has_every_field_and_nothing_else():
    text = EXAMPLE.read_text()
    assert json.loads(Document.from_json(text).to_json()) == json.loads(text)
