"""Writes the pages and schemas of docs/reference from the models."""

import json
from pathlib import Path

from headrace.catalog.reference import NODE_POOL, SCALER, reference_page
from headrace.model.pool import NodePool
from headrace.model.schema import function_schema
from headrace.scaler.settings import ScalerSettings


def documents() -> dict[str, str]:
    """Name in docs/reference -> content."""
    schema = function_schema()
    return {
        "function.md": reference_page(schema),
        "nodepool.md": reference_page(NodePool.model_json_schema(by_alias=True), NODE_POOL),
        "scaler.md": reference_page(ScalerSettings.model_json_schema(by_alias=True), SCALER),
        "function.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
    }


if __name__ == "__main__":
    folder = Path(__file__).parents[1] / "docs" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (folder / name).write_text(content, encoding="utf-8")
