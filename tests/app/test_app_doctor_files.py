"""What `jobwire doctor` says of kept files in S3-compatible storage."""

import sys

import pytest

from bucket_server import KEYS, make_bucket, start_storage
from jobwire.cli.doctor import examine
from jobwire.cli.findings import Finding
from jobwire.config import Bucket, read_settings

pytestmark = pytest.mark.slow


def look_at(bucket: Bucket, tmp_path: object, **environment: str) -> list[Finding]:
    settings = read_settings({"JOBWIRE_FILES": str(bucket), **environment}, db=f"{tmp_path}/jobs.db")
    return [one for one in examine(settings) if "system" not in one.what]


def test_a_bucket_that_works_is_ok_and_left_as_it_was(tmp_path: object) -> None:
    bucket = make_bucket()
    for _ in range(2):
        shown = [str(one) for one in look_at(bucket, tmp_path, **KEYS) if one.level != "problem"]
        assert any(f"files bucket {bucket}, to keep, read and delete a file takes: " in text for text in shown)
        assert "kept files: 0, 0.0 MB" in shown
        assert f"customers post their uploads to {bucket.endpoint}/{bucket.name}" in shown


def test_a_bucket_that_is_not_there_is_a_problem(tmp_path: object) -> None:
    absent = Bucket("not-there", "", start_storage())
    (found,) = [one for one in look_at(absent, tmp_path, **KEYS) if one.level == "problem"]
    assert "s3://not-there" in found.what and "AWS_*" in found.fix
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(found)


def test_who_receives_uploads_is_told(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    notes = [one for one in look_at(make_bucket(), tmp_path) if one.what.startswith("customers' uploads")]
    assert [one.fix for one in notes] == ["set AWS_ACCESS_KEY_ID"]


def test_obstore_is_asked_for_where_it_is_missing(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("obstore", "jobwire.blobs.bucket"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("jobwire.blobs.inbox", "jobwire.blobs.objects"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    (found,) = [one for one in look_at(Bucket("kept"), tmp_path) if one.level == "problem"]
    assert "pip install 'jobwire[s3]'" in found.value
