"""The OpenAPI document: complete, consistent, and true of what is answered."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from http_house import House, open_house

from jobwire.dialects.native import NATIVE
from shop_dialect import SHOP


@pytest.fixture(scope="module")
def both(house_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("openapi"), NATIVE, SHOP) as opened:
        yield opened


@pytest.fixture(scope="module")
def document(both: House) -> Any:
    with both.client() as nobody:
        answer = nobody.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return answer.json()


def test_it_has_what_openapi_demands(document: Any) -> None:
    assert document["openapi"].startswith("3.1.") and document["info"]["title"] and document["info"]["version"]
    ids = [operation["operationId"] for operation in operations(document)]
    assert len(ids) == len(set(ids))
    for operation in operations(document):
        assert operation["summary"] is not None and operation["responses"]
        assert all(re.fullmatch(r"[1-5]\d\d", status) for status in operation["responses"])
        assert all("description" in response for response in operation["responses"].values())


def operations(document: Any) -> list[Any]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def test_it_has_every_route_and_no_other(document: Any) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(r.method, d.mount + r.path) for d in (NATIVE, SHOP) for r in d.routes}


def test_its_path_parameters_are_those_of_the_path(document: Any) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            named = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
            assert named == re.findall(r"\{(\w+)\}", path)
            assert all("schema" in parameter for parameter in operation["parameters"])


def test_every_reference_leads_somewhere(document: Any) -> None:
    text = json.dumps(document)
    names = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', text))
    assert names and names <= set(document["components"]["schemas"])
    schemes = {name for operation in operations(document) for one in operation["security"] for name in one}
    assert schemes == set(document["components"]["securitySchemes"])


def test_open_routes_ask_for_no_key(document: Any) -> None:
    assert document["paths"]["/v1/files/{sha256}/{name}"]["get"]["security"] == []
    assert document["paths"]["/v1/me"]["get"]["security"] == [
        {"native_authorization_bearer": []},
        {"native_x_api_key": []},
    ]


def test_what_is_answered_fits_its_schema(both: House, document: Any) -> None:
    key = both.make_key("ada")
    with both.client(key) as client:
        job = client.post("/v1/jobs", json={"kind": "echo"}).json()
        fit(job, schema(document, "/v1/jobs", "post", "202"), document)
        fit(client.get("/v1/jobs").json(), schema(document, "/v1/jobs", "get", "200"), document)
        both.complete()
        fit(client.get(job["links"]["self"]).json(), schema(document, "/v1/jobs/{id}", "get", "200"), document)
        missing = client.get("/v1/jobs/job_x").json()
        fit(missing, schema(document, "/v1/jobs/{id}", "get", "404", "application/problem+json"), document)
        row = both.services.store.get(1, key=job["id"][4:]).result(5)
        assert row is not None
        shown = client.get(f"/shop/api/job?id={row.number}&token={key}").json()
        fit(shown, schema(document, "/shop/api/job", "get", "200"), document)


def schema(document: Any, path: str, method: str, status: str, kind: str = "application/json") -> Any:
    return document["paths"][path][method]["responses"][status]["content"][kind]["schema"]


def fit(value: Any, shape: Any, document: Any) -> None:
    """Assert that a value fits the part of JSON Schema that is used here."""
    if "$ref" in shape:
        fit(value, document["components"]["schemas"][shape["$ref"].rpartition("/")[2]], document)
    for choices in (shape.get("anyOf"), shape.get("oneOf")):
        assert choices is None or any(fits(value, choice, document) for choice in choices), (value, choices)
    assert "const" not in shape or value == shape["const"]
    assert "enum" not in shape or value in shape["enum"]
    kinds = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list, "boolean": bool}
    wanted = shape.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    assert not wanted or any(value is None if one == "null" else isinstance(value, kinds[one]) for one in wanted)
    if isinstance(value, dict) and "properties" in shape:
        assert set(shape.get("required", ())) <= set(value)
        assert set(value) <= set(shape["properties"]), set(value) - set(shape["properties"])
        for name, child in value.items():
            fit(child, shape["properties"][name], document)
    if isinstance(value, list) and "items" in shape:
        for child in value:
            fit(child, shape["items"], document)


def fits(value: Any, shape: Any, document: Any) -> bool:
    try:
        fit(value, shape, document)
    except AssertionError:
        return False
    return True
