"""What is particular to kept files in a bucket: days, parts, forms, and a storage that does not answer."""

import base64
import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from blob_rigs import NOW_S, BucketRig
from botocore.auth import S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bucket_server import KEYS
from jobwire.blobs import bucket as module
from jobwire.blobs.bucket import open_bucket
from jobwire.blobs.contract import PARTIAL_AGE_S
from jobwire.blobs.post_policy import Signer, sign_post
from jobwire.config import Bucket
from jobwire.domain.errors import JobError

pytestmark = pytest.mark.slow

DAY_S = 24 * 3_600


@pytest.fixture
def rig() -> BucketRig:
    return BucketRig()


def keys_of(rig: BucketRig) -> list[str]:
    return sorted(entry.key for entry in rig.open()._objects.list(""))


def test_an_object_is_named_by_address_and_day_and_a_later_one_takes_its_place(rig: BucketRig) -> None:
    address = rig.keep_at(b"plan", NOW_S)
    assert keys_of(rig) == [f"{address[:2]}/{address}/2030-03-17"]
    rig.keep_at(b"plan", NOW_S + DAY_S)
    assert keys_of(rig) == [f"{address[:2]}/{address}/2030-03-18"]
    rig.keep_at(b"plan", NOW_S)  # by a machine whose clock is behind
    assert keys_of(rig) == [f"{address[:2]}/{address}/2030-03-18"]


@pytest.mark.parametrize(("after_s", "is_old"), [(-1, False), (0, True)])
def test_a_file_is_old_when_its_day_is_over(rig: BucketRig, after_s: int, is_old: bool) -> None:
    address = rig.keep_at(b"plan", NOW_S)
    midnight = datetime(2030, 3, 18, tzinfo=UTC).timestamp()
    assert bool(rig.open().find_old(int(address[:2], 16), midnight + after_s)) == is_old
    assert rig.open().remove_old([address], midnight + after_s) == is_old


def test_who_reads_goes_on_with_the_object_that_took_the_place(rig: BucketRig) -> None:
    data = bytes(10_000_000)
    address = rig.keep_at(data, NOW_S)
    reading = rig.open().read(address)
    got = next(reading)
    rig.keep_at(data, NOW_S + DAY_S)
    assert got + b"".join(reading) == data


def test_a_source_that_changes_while_it_is_kept_is_not_kept(rig: BucketRig, tmp_path: Path) -> None:
    source = tmp_path / "growing"
    source.write_bytes(bytes(9_000_000))
    blobs = rig.open()
    publish = blobs._publish

    def change_first(*given: Any) -> None:
        source.write_bytes(b"1" * 9_000_000)
        publish(*given)

    blobs._publish = change_first  # type: ignore[method-assign]
    with pytest.raises(JobError, match="was changed while it was kept"):
        blobs.put(source)
    assert keys_of(rig) == []


def test_what_others_put_there_is_no_kept_file(rig: BucketRig) -> None:
    objects = rig.open()._objects
    for key in ("ab/readme", "ab/" + "ab" * 32, "cd/" + "ab" * 32 + "/2030-03-17", "ab/" + "ab" * 32 + "/old"):
        objects.put(key, b"x")
    assert rig.open().measure() == (0, 0)
    assert rig.open().find("ab" * 32) is None


def test_a_storage_that_does_not_answer_is_trouble_as_of_a_disk() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = Bucket("nobody", "", f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(OSError, match="s3://nobody") as refused:
        open_bucket(nowhere, KEYS, clock_s=lambda: NOW_S).put_bytes(b"x")
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)


def test_a_form_is_what_aws_client_makes_of_the_same_policy() -> None:
    fields = {"key": "in/a.csv", "x-amz-meta-user-id": "user_5"}
    signer = Signer("bucket", "eu-central-1", access_key="AKID", secret="secret", session_token="token")
    signed = sign_post(signer, fields, bytes_max=1_000, now_s=NOW_S, lifetime_s=3_600)
    policy = json.loads(base64.b64decode(signed["policy"]))
    assert policy["expiration"] == "2030-03-17T18:46:40Z"
    assert policy["conditions"][-1] == ["content-length-range", 1, 1_000]
    conditions = {name: value for one in policy["conditions"][:-1] for name, value in one.items()}
    assert conditions == {name: signed[name] for name in signed if name not in ("policy", "x-amz-signature")} | {
        "bucket": "bucket"
    }
    theirs = S3SigV4PostAuth(Credentials("AKID", "secret", "token"), "s3", "eu-central-1")
    request = AWSRequest()
    request.context["timestamp"] = signed["x-amz-date"]
    assert signed["x-amz-signature"] == theirs.signature(signed["policy"], request)
    assert signed["x-amz-credential"] == theirs.scope(request)


@pytest.mark.parametrize("most", [4, 9])
def test_what_a_customer_posts_arrives_and_is_swept_after_a_day(rig: BucketRig, tmp_path: Path, most: int) -> None:
    blobs = rig.open()
    inbox = blobs.inbox
    assert inbox is not None
    form = inbox.sign_form("user_5/a.csv", {"x-amz-meta-user-id": "user_5"}, bytes_max=most, lifetime_s=60)
    assert form["key"] == "kept/files/incoming/user_5/a.csv"
    answer = httpx.post(inbox.url, data=form, files={"file": ("any", b"a,b")}, timeout=20)
    assert answer.status_code == 204, answer.text
    assert inbox.find_name(form["key"]) == "user_5/a.csv"
    assert inbox.find_name("user_5/a.csv") is None
    assert inbox.list_arrived("user_5") == {"user_5/a.csv": 3}
    assert inbox.list_arrived("user_50") == inbox.list_arrived("user") == {}
    assert inbox.bring("user_5/a.csv", tmp_path).read_bytes() == b"a,b"
    assert blobs.measure() == (0, 0)
    now_s = datetime.now(UTC).timestamp()
    assert blobs.sweep_partial(now_s + PARTIAL_AGE_S - 3_600) == 0
    assert blobs.sweep_partial(now_s + PARTIAL_AGE_S + 3_600) == 1
    with pytest.raises(FileNotFoundError):
        inbox.bring("user_5/a.csv", tmp_path)
    inbox.forget("user_5/a.csv")


def test_without_a_key_of_its_own_a_process_signs_no_forms(rig: BucketRig) -> None:
    assert open_bucket(rig.bucket, {}, clock_s=lambda: NOW_S).inbox is None


def test_small_files_take_one_request_and_large_ones_parts() -> None:
    assert module.WHOLE_BYTES_MAX > 5 << 20  # the least that a part of S3 may have but for the last
