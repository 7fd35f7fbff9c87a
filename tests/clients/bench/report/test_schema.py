"""The JSON Schema of results: complete, and what docs/ has."""

import msgspec

from clients.bench.report.schema import json_schema
from clients.bench.result import SCHEMA, Result, Run
from tools.bench_schema import FILE


class _Const(msgspec.Struct):
    const: str


class _ResultProperties(msgspec.Struct):
    schema: _Const


class _ResultSchema(msgspec.Struct):
    properties: _ResultProperties
    required: list[str]


class _RunSchema(msgspec.Struct):
    properties: dict[str, msgspec.Raw]


class _Definitions(msgspec.Struct, rename={"result": "Result", "run": "Run"}):
    result: _ResultSchema
    run: _RunSchema


class _Schema(msgspec.Struct, rename={"definitions": "$defs", "id": "$id", "ref": "$ref"}):
    definitions: _Definitions
    id: str
    ref: str


def test_the_file_in_docs_is_up_to_date() -> None:
    assert FILE.read_bytes() == json_schema(), "make bench-schema"


def test_it_describes_a_result_of_this_version() -> None:
    schema = msgspec.json.decode(json_schema(), type=_Schema)
    assert (schema.id, schema.ref) == (SCHEMA, "#/$defs/Result")
    assert schema.definitions.result.properties.schema.const == SCHEMA
    assert "schema" in schema.definitions.result.required


def test_it_has_all_fields_of_a_run() -> None:
    schema = msgspec.json.decode(json_schema(), type=_Schema)
    assert list(schema.definitions.run.properties) == list(Run.__struct_fields__)


def test_a_written_result_names_its_version() -> None:
    assert Result.__struct_defaults__[-1] == SCHEMA
