"""The native API answers as its own description says, whatever is sent, from job to job along its links.

`make fuzz` runs this for ten minutes an engine. Every check is on unless schemathesis.toml says why one cannot be.
"""

import os
from pathlib import Path

import pytest
from fuzz_server import fuzz, serve

SECONDS = int(os.environ.get("JOBWIRE_FUZZ_S", "25"))


@pytest.mark.slow
def test_every_check_of_schemathesis_passes_on_the_native_api(house_engine: str, tmp_path: Path) -> None:
    with serve(tmp_path, "fuzz_app:app", "--systems", "none") as server:
        fuzz(
            server,
            tmp_path,
            path="/openapi.json",
            header="Authorization: Bearer {key}",
            seconds=SECONDS,
            options=["--max-examples", "50"],
        )
