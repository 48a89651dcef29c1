"""rentix answers as its description says; what it refuses beyond that is its own rules' business."""

from pathlib import Path

import pytest
from fuzz_server import fuzz, serve

SECONDS = 15
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,ignored_auth"
)


@pytest.mark.slow
def test_what_rentix_answers_is_described(sqlite_file: Path) -> None:
    folder = sqlite_file.parent
    with serve(folder, "--systems", "rentix") as server:
        fuzz(
            server,
            folder,
            path="/api/v1/openapi.json",
            header="X-API-Key: {key}",
            seconds=SECONDS,
            options=["--checks", CHECKS, "--max-examples", "20", "--phases", "examples,coverage,fuzzing"],
        )
