"""The JSON Schema of results. PURE."""

import msgspec

from clients.bench.result import SCHEMA, Result

__all__ = ["json_schema"]


def json_schema() -> bytes:
    """Return the JSON Schema (draft 2020-12) of a result, indented, with a newline at its end."""
    schema = msgspec.json.schema(Result)
    fields = schema["$defs"]["Result"]
    fields["properties"]["schema"] = {"const": SCHEMA}
    fields["required"].append("schema")
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "Result of livecue bench",
        **schema,
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"
