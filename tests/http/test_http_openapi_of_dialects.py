"""The OpenAPI document of many dialects on one origin."""

from pathlib import Path

from http_house import open_house

from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from market_tables import MARKET


def test_the_document_has_every_path_of_every_dialect_once(tmp_path: Path) -> None:
    dialects = (NATIVE, AZURE, GOOGLE, *MARKET)
    with open_house(tmp_path, *dialects) as house, house.client() as nobody:
        document = nobody.get("/openapi.json").json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.method, one.mount + route.path) for one in dialects for route in one.routes}
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    azure = document["paths"]["/azure/operations"]["get"]
    assert {"top", "skipToken"} <= {one["name"] for one in azure["parameters"]}
    assert set(azure["responses"]["200"]["content"]["application/json"]["schema"]["properties"]) == {
        "value",
        "nextLink",
    }
    assert "content" not in document["paths"]["/azure/operations/{id}"]["delete"]["responses"]["204"]
