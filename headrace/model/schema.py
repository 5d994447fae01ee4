"""The JSON schema of function.yaml, for editors, other languages and the reference page."""

from typing import Any

from headrace.model.function import Function


def function_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one function, with the names of the wire (camelCase).

    What a schema can't say (minWorkers <= maxWorkers, exactly one way to run, quantities above zero)
    only the model checks.
    """
    schema = Function.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
