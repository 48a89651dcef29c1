"""Both stores of kept files."""

from pathlib import Path

import pytest
from blob_rigs import BucketRig, FolderRig

from jobwire.blobs.contract import Blobs


@pytest.fixture(params=[FolderRig, pytest.param(BucketRig, marks=pytest.mark.slow)], ids=["folder", "bucket"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> FolderRig | BucketRig:
    made: FolderRig | BucketRig = request.param(tmp_path / "blobs")
    return made


@pytest.fixture
def blobs(rig: FolderRig | BucketRig) -> Blobs:
    return rig.open()
