"""Opens the store of kept files that the settings name."""

import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from jobwire.blobs.contract import Blobs
from jobwire.blobs.local import LocalBlobs
from jobwire.config import Bucket, SettingError


def open_blobs(files: Path | Bucket, environment: Mapping[str, str]) -> Blobs:
    """The store; a folder is made. SettingError where the storage's client is not installed."""
    if isinstance(files, Path):
        return LocalBlobs(files)
    try:
        bucket = import_module("jobwire.blobs.bucket")
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise SettingError("kept files in S3-compatible storage need obstore: pip install 'jobwire[s3]'") from error
    opened: Blobs = bucket.open_bucket(files, environment, clock_s=time.time)
    return opened
