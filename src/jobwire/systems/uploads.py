"""The rules of a call whose body is the bytes of a file, for every system that takes one."""

from pathlib import Path

from jobwire.domain.errors import RequestError
from jobwire.service.call import Call


def expect_file(call: Call) -> Path:
    """The bytes that a call has brought; RequestError for a form, which would be kept as it is, and for none."""
    if call.headers.get("content-type", "").lower().startswith("multipart/"):
        raise RequestError(
            "unsupported_media_type", "Send the bytes of the file as the body (curl --data-binary), not a form"
        )
    assert call.upload is not None
    if call.upload.stat().st_size == 0:
        raise RequestError("invalid_request", "The body is empty; send the bytes of the file as the body")
    return call.upload
