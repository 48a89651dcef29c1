"""Systems answer as their descriptions say; what they refuse beyond that is their own rules' business."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest
from fuzz_server import fuzz, serve

SECONDS = min(60, int(os.environ.get("JOBWIRE_FUZZ_S", "15")))
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,ignored_auth"
)


class Fuzzed(NamedTuple):
    """A system's description, how its key is sent, and the scopes the key needs for so many calls."""

    path: str
    header: str
    scopes: str = "jobs:read,jobs:write"


SYSTEMS = {
    "rentix": Fuzzed("/api/v1/openapi.json", "X-API-Key: {key}"),
    "fifthelement": Fuzzed(
        "/v1/api/openapi.json", "Authorization: Bearer {key}", "jobs:read,jobs:write,tier:enterprise:1000000"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_what_a_system_answers_is_described(system: str, sqlite_file: Path) -> None:
    folder, fuzzed = sqlite_file.parent, SYSTEMS[system]
    with serve(folder, "--systems", system, scopes=fuzzed.scopes) as server:
        fuzz(
            server,
            folder,
            path=fuzzed.path,
            header=fuzzed.header,
            seconds=SECONDS,
            options=["--checks", CHECKS, "--max-examples", "20", "--phases", "examples,coverage,fuzzing"],
        )
