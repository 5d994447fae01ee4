"""Writes the pages and schemas of docs/reference from the models."""

import json
from pathlib import Path
from typing import Any

from headrace.catalog.reference import NODE_POOL, SCALER, reference_page
from headrace.model.bucket import Bucket
from headrace.model.gpu_server import GpuServer
from headrace.model.pool import NodePool
from headrace.model.schema import function_schema, tenant_schema
from headrace.scaler.settings import ScalerSettings

BUCKET = """\
# Buckets

A bucket as a Kubernetes object: the logical name that functions write, the store's name, and what becomes of
its data. The controller makes the real bucket, and an object for each bucket that a function names and nobody
has declared. A bucket that holds data is not deleted unless its object says so. An empty one goes with its
object if the platform made it; one that was there before stays. What another object names too stays with all
that is in it, until the last of them goes. Unknown keys are refused.

This page is generated: `make docs` writes it from `headrace/model/bucket.py`.
"""
GPU_SERVER = """\
# GPU servers

A host that serves its GPUs to workers on other nodes. Unknown keys are refused. Quantities are written as in
Kubernetes.

This page is generated: `make docs` writes it from `headrace/model/gpu_server.py`.
"""


TENANT = """\
# Tenants

Whose functions share a cluster: quotas, weight, priority, images, buckets. A tenant is named as the namespace
of its functions; [how they share](../scaler.md#tenants) is a page of its own. Unknown keys are refused.
Quantities are written as in Kubernetes. `headrace simulate --tenants FILE` reads several, parted by `---`;
[tenant.schema.json](tenant.schema.json) is for editors.

This page is generated: `make docs` writes it from `headrace/model/tenant.py`.
"""


def documents() -> dict[str, str]:
    """Name in docs/reference -> content."""
    schema, tenant = function_schema(), tenant_schema()
    return {
        "function.md": reference_page(schema),
        "nodepool.md": reference_page(NodePool.model_json_schema(by_alias=True), NODE_POOL),
        "bucket.md": reference_page(Bucket.model_json_schema(by_alias=True), BUCKET),
        "gpuserver.md": reference_page(GpuServer.model_json_schema(by_alias=True), GPU_SERVER),
        "scaler.md": reference_page(ScalerSettings.model_json_schema(by_alias=True), SCALER),
        "tenant.md": reference_page(tenant, TENANT),
        "function.schema.json": _spelt(schema),
        "tenant.schema.json": _spelt(tenant),
    }


def _spelt(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    folder = Path(__file__).parents[1] / "docs" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in documents().items():
        (folder / name).write_text(content, encoding="utf-8")
