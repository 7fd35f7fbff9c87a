"""The part of JSON Schema that msgspec writes: reports where a value violates a schema."""

from collections.abc import Iterator, Mapping
from math import inf
from typing import cast

__all__ = ["Schema", "breaches"]

Schema = Mapping[str, object]

_KEYWORDS = {"title", "description", "default", "type", "enum", "anyOf", "$ref"}
_KEYWORDS |= {"properties", "required", "additionalProperties", "items", "minimum", "maximum", "maxLength", "maxItems"}

_TYPES: Mapping[object, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def breaches(value: object, schema: Schema, schemas: Mapping[str, Schema], place: str = "$") -> Iterator[str]:
    """Yield every violation as `place: problem`.

    Args:
        value: parsed JSON.
        schema: what it should be.
        schemas: what `$ref` may name, by name.
        place: of the value.

    Raises:
        ValueError: the schema uses a keyword that is not known here.
    """
    if unknown := schema.keys() - _KEYWORDS:
        raise ValueError(f"keywords {sorted(unknown)}: known are {sorted(_KEYWORDS)}")
    if "$ref" in schema:
        schema = schemas[str(schema["$ref"]).rpartition("/")[2]]
    if "anyOf" in schema:
        options = cast("list[Schema]", schema["anyOf"])
        if all(list(breaches(value, option, schemas, place)) for option in options):
            yield f"{place}: none of {len(options)} schemas takes {value!r}"
    if "enum" in schema and value not in cast("list[object]", schema["enum"]):
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{place}: {value!r} is no {schema['type']}"
    elif isinstance(value, str) and len(value) > _most(schema, "maxLength"):
        yield f"{place}: {len(value)} characters are more than {schema['maxLength']}"
    elif isinstance(value, list) and len(value) > _most(schema, "maxItems"):
        yield f"{place}: {len(value)} items are more than {schema['maxItems']}"
    elif isinstance(value, int) and not _lies_within(value, schema):
        yield f"{place}: {value} is not within {schema.get('minimum')} and {schema.get('maximum')}"
    elif isinstance(value, dict):
        yield from _object_breaches(value, schema, schemas, place)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from breaches(item, cast("Schema", schema["items"]), schemas, f"{place}[{index}]")


def _object_breaches(
    value: Mapping[str, object], schema: Schema, schemas: Mapping[str, Schema], place: str
) -> Iterator[str]:
    properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
    for name in cast("list[str]", schema.get("required", [])):
        if name not in value:
            yield f"{place}: no {name}"
    for name, part in value.items():
        if name in properties:
            yield from breaches(part, properties[name], schemas, f"{place}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{place}: {name} is not allowed"


def _lies_within(value: int, schema: Schema) -> bool:
    lowest, highest = schema.get("minimum", value), schema.get("maximum", value)
    assert isinstance(lowest, int | float)
    assert isinstance(highest, int | float)
    return lowest <= value <= highest


def _most(schema: Schema, keyword: str) -> float:
    return float(cast("int", schema[keyword])) if keyword in schema else inf


def _is(value: object, name: object) -> bool:
    return isinstance(value, _TYPES[name]) and not (isinstance(value, bool) and name != "boolean")
