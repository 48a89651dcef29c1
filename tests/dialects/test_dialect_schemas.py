"""What OpenAPI says of a job is true of it in every phase, in every dialect."""

import json
from typing import Any

import pytest
from job_rows import KEY, ROWS

from jobwire.dialects.azure import AZURE
from jobwire.dialects.google import GOOGLE
from jobwire.dialects.native import NATIVE
from jobwire.dialects.render import compile_views
from jobwire.dialects.sources import Facts
from jobwire.dialects.spec import Dialect
from jobwire.domain.phases import Phase
from jobwire.http.schemas import describe_job
from jobwire.systems.rentix.dialect import RENTIX
from market_tables import MARKET
from shop_dialect import SHOP

TYPES: dict[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict,
    "null": type(None),
}  # fmt: skip


def fits(value: Any, schema: dict[str, Any]) -> bool:
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices is not None:
        return any(fits(value, choice) for choice in choices)
    if "const" in schema:
        return bool(value == schema["const"])
    kinds = schema.get("type", list(TYPES))
    if not isinstance(value, tuple(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))):
        return False
    if isinstance(value, list):
        return all(fits(one, schema.get("items", {})) for one in value)
    if not isinstance(value, dict) or "properties" not in schema:
        return "enum" not in schema or value in schema["enum"]
    known = schema["properties"]
    return set(schema.get("required", ())) <= set(value) <= set(known) and all(
        fits(one, known[name]) for name, one in value.items()
    )


@pytest.mark.parametrize("dialect", [NATIVE, AZURE, GOOGLE, SHOP, RENTIX, *MARKET], ids=lambda dialect: dialect.name)
def test_a_job_fits_its_schema_in_every_phase(dialect: Dialect) -> None:
    schema = describe_job(dialect, dialect.job)
    kind = next(iter(dialect.kinds)) if dialect.kinds else "echo"
    facts = Facts(3, None, KEY, "owner", input='{"metadata":{"a":"b"}}', origin="http://h")
    for phase, view in compile_views(dialect, dialect.job).items():
        job = json.loads(view.render(ROWS[phase]._replace(kind=kind), facts))
        assert fits(job, schema), (phase, job)
    assert not fits(job | {"stranger": 1}, schema) and set(ROWS) == set(Phase)
