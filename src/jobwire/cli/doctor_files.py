"""What `jobwire doctor` finds out about kept files in S3-compatible storage."""

import secrets
import time
from collections.abc import Iterator

from jobwire.blobs.opening import open_blobs
from jobwire.cli.findings import Finding, grade
from jobwire.config import Bucket, SettingError, Settings

ROUND_MS_SLOW = 500.0


def examine_bucket(settings: Settings, bucket: Bucket) -> Iterator[Finding]:
    """Whether a file can be kept there, read back, listed and deleted, and who receives customers' forms."""
    try:
        blobs = open_blobs(bucket, settings.environment)
    except SettingError as error:
        yield Finding("problem", f"the files bucket {bucket}", str(error), fix="install it")
        return
    data = secrets.token_bytes(32)
    start = time.perf_counter()
    try:
        address = blobs.put_bytes(data).sha256
        was_read = b"".join(blobs.read(address)) == data
        was_deleted = blobs.delete(address) and blobs.find(address) is None
        round_ms = (time.perf_counter() - start) * 1_000
        count, total = blobs.measure()
    except OSError as error:
        fix = "check JOBWIRE_FILES, the AWS_* variables and the rights of the key"
        yield Finding("problem", f"the files bucket {bucket}", str(error), fix=fix)
        return
    if not (was_read and was_deleted):
        what = "a file that was kept there cannot be read back and deleted"
        yield Finding("problem", f"the files bucket {bucket}", what, fix="check the rights of the key")
        return
    yield Finding(
        grade(round_ms, note_above=ROUND_MS_SLOW),
        f"files bucket {bucket}, to keep, read and delete a file takes",
        f"{round_ms:.0f} ms",
        f"slow above {ROUND_MS_SLOW:g} ms",
        "whoever keeps something there waits for it; use a storage that is nearer",
    )
    yield Finding("ok", "kept files", f"{count}, {total / 1e6:.1f} MB")
    if blobs.inbox is None:
        yield Finding("note", "customers' uploads come through this process", fix="set AWS_ACCESS_KEY_ID")
    else:
        yield Finding("ok", f"customers post their uploads to {blobs.inbox.url}")
