"""S3-compatible storage on loopback: moto's server, one for the process, and a bucket for whoever asks."""

import atexit
import logging
from functools import cache
from itertools import count

import httpx

from jobwire.config import Bucket

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "a secret of the tests", "AWS_REGION": "us-east-1"}
_numbers = count(1)


@cache
def start_storage() -> str:
    """The address of the server; imported only here, because it takes most of a second."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def make_bucket(prefix: str = "kept/files") -> Bucket:
    """A new bucket, to be used below `prefix`."""
    bucket = Bucket(f"bucket-{next(_numbers)}", prefix, start_storage())
    httpx.put(f"{bucket.endpoint}/{bucket.name}", content=b"").raise_for_status()
    return bucket
