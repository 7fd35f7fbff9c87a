"""The OpenAPI document of the HTTP routes, and whether the gateway is what it says."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import schemathesis
from anyio import to_thread
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.servers import get
from tests.uploading import SPOKEN, serving_files

ROUTES = {"/v1/audio/transcriptions": "post", "/v1/audio/translations": "post", "/v1/models": "get"}

HEADERS = {"Authorization": "Bearer secret"}


async def document() -> Mapping[str, object]:
    async with serving_files() as served:
        return (await get(f"{served.url}/openapi.json")).json()


def within(value: object, *path: str) -> object:
    for name in path:
        assert isinstance(value, dict)
        value = value[name]
    return value


async def test_every_route_documents_the_shape_of_its_errors() -> None:
    described = await document()
    for route, method in ROUTES.items():
        responses = within(described, "paths", route, method, "responses")
        assert isinstance(responses, dict)
        assert {"200", "400", "401", "402", "404", "413", "415", "429", "500", "503", "default"} <= responses.keys()
        for status, response in responses.items():
            if status != "200":
                schema = within(response, "content", "application/json", "schema")
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}


async def test_the_form_is_documented_with_its_fields() -> None:
    path = ("paths", "/v1/audio/transcriptions", "post", "requestBody", "content", "multipart/form-data", "schema")
    schema = within(await document(), *path)
    assert within(schema, "required") == ["file", "model"]
    properties = within(schema, "properties")
    assert isinstance(properties, dict)
    assert {"file", "language", "timestamp_granularities[]", "stream", "response_format"} <= properties.keys()


async def test_a_key_is_documented_and_optional() -> None:
    described = await document()
    assert within(described, "components", "securitySchemes", "API key", "scheme") == "bearer"
    for route, method in ROUTES.items():
        assert within(described, "paths", route, method, "security") == [{"API key": []}, {}]


async def test_the_gateway_matches_its_openapi_document() -> None:
    async with serving_files(settings={"server": {"api_keys": ["secret"]}}) as served:
        described = (await get(f"{served.url}/openapi.json")).json()
        statuses = await to_thread.run_sync(exercise, served.url, described)
    assert {200, 400, 404} <= statuses.keys()


def exercise(url: str, described: dict[str, object]) -> Counter[int]:
    """Try every operation with what is allowed and with what is not, and count the statuses that come back."""
    statuses = Counter[int]()
    for result in schemathesis.openapi.from_dict(described).get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]  # raises where the document has a mistake
        if operation.path == "/admin/drain":
            continue  # all others would be refused after it
        for mode in GenerationMode:
            if mode is GenerationMode.NEGATIVE and operation.method.lower() != "post":
                continue  # there is nothing to get wrong

            @settings(
                max_examples=10,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def try_it(case: Case[APIOperation[Any, Any, Any, Any]]) -> None:
                if isinstance(case.body, dict) and case.body.get("file"):
                    case.body["file"] = SPOKEN  # type: ignore[assignment]  # a form may hold bytes
                # values allowed separately may exclude each other: text has no times, and no engine translates here
                response = case.call_and_validate(
                    base_url=url, headers=HEADERS, excluded_checks=[positive_data_acceptance]
                )
                statuses[response.status_code] += 1

            try_it()
    return statuses
