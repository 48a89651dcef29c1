"""JOBWIRE_FILES: a folder, or a part of a bucket."""

from pathlib import Path

import pytest

from jobwire.config import Bucket, SettingError, read_settings


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("files", Path("files")),
        ("s3://kept", Bucket("kept")),
        ("s3://kept/a/b/", Bucket("kept", "a/b")),
        (
            "s3://kept/a?endpoint=http://127.0.0.1:9000/&region=eu-central-1&public=https://files.example.com",
            Bucket("kept", "a", "http://127.0.0.1:9000", "eu-central-1", "https://files.example.com"),
        ),
    ],
)
def test_files_are_kept_where_the_setting_says(said: str, meant: Path | Bucket) -> None:
    files = read_settings({"JOBWIRE_FILES": said}).files
    assert files == meant
    assert read_settings({"JOBWIRE_FILES": str(files)}).files == meant


@pytest.mark.parametrize(
    "said",
    ["s3:", "s3://", "s3://K", "s3://kept/../x y", "s3://kept?endpoint=minio:9000", "s3://kept?end=1", "s3://kept#a",
     "s3://key:secret@kept", "s3://kept?region=a&region=b", "s3://kept?endpoint=http://h/path"],
)  # fmt: skip
def test_what_names_no_bucket_is_refused(said: str) -> None:
    with pytest.raises(SettingError, match="JOBWIRE_FILES"):
        read_settings({"JOBWIRE_FILES": said})


def test_forms_are_posted_to_the_public_address() -> None:
    assert Bucket("kept").show_post_url("eu-central-1") == "https://kept.s3.eu-central-1.amazonaws.com/"
    assert Bucket("kept", "", "http://minio:9000").show_post_url("x") == "http://minio:9000/kept"
    assert Bucket("kept", "", "http://minio:9000", "", "https://f.org").show_post_url("x") == "https://f.org/kept"
