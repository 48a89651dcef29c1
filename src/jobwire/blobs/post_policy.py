"""Forms that post one file straight to S3-compatible storage, signed by AWS' Signature Version 4 (POST policies)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose credentials sign for which bucket."""

    bucket: str
    region: str
    access_key: str
    secret: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def sign_post(
    signer: Signer, fields: Mapping[str, str], *, bytes_max: int, now_s: float, lifetime_s: int
) -> dict[str, str]:
    """The fields of a form, these among them: good for `lifetime_s` and one file of 1 to `bytes_max` bytes."""
    now = datetime.fromtimestamp(now_s, UTC)
    scope = f"{now:%Y%m%d}/{signer.region}/s3/aws4_request"
    signed = {
        **fields,
        "x-amz-algorithm": ALGORITHM,
        "x-amz-credential": f"{signer.access_key}/{scope}",
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
    }
    if signer.session_token:
        signed["x-amz-security-token"] = signer.session_token
    conditions: list[object] = [{"bucket": signer.bucket}, *({name: value} for name, value in signed.items())]
    conditions.append(["content-length-range", 1, bytes_max])
    ends = f"{now + timedelta(seconds=lifetime_s):%Y-%m-%dT%H:%M:%SZ}"
    policy = base64.b64encode(json.dumps({"expiration": ends, "conditions": conditions}).encode()).decode()
    key = b"AWS4" + signer.secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return {**signed, "policy": policy, "x-amz-signature": hmac.digest(key, policy.encode(), hashlib.sha256).hex()}
