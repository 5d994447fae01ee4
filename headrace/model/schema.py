"""The JSON schemas of what people write, for editors, other languages and the reference pages."""

from typing import Any

from headrace.model.function import Function
from headrace.model.tenant import Tenant
from headrace.model.value import Value

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def function_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one function, with the names of the wire (camelCase).

    What a schema can't say (minWorkers <= maxWorkers, exactly one way to run, quantities above zero)
    only the model checks.
    """
    return _schema(Function)


def tenant_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one tenant. What a resource is counted in only the model knows."""
    return _schema(Tenant)


def _schema(model: type[Value]) -> dict[str, Any]:
    return {"$schema": DIALECT, **model.model_json_schema(by_alias=True, mode="validation")}
