"""Writes docs/reference/function.md and function.schema.json from the model."""

import json
from pathlib import Path

from headrace.catalog.reference import reference_page
from headrace.model.schema import function_schema


def documents() -> dict[str, str]:
    """Name in docs/reference -> content."""
    schema = function_schema()
    return {
        "function.md": reference_page(schema),
        "function.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
    }


if __name__ == "__main__":
    folder = Path(__file__).parents[1] / "docs" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (folder / name).write_text(content, encoding="utf-8")
