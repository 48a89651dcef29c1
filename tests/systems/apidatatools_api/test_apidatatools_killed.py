"""A server that is killed while files come in leaves none of them for ever."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from apidatatools_house import run_tools

from bucket_server import KEYS, make_bucket

pytestmark = pytest.mark.slow

# The storage's answer has been written down, and the call stops there until the process is killed.
SERVER = """
import json, socket, sys, threading
from pathlib import Path
from apidatatools_house import MOUNT, run_tools
from jobwire.blobs.inbox import BucketInbox

arrived, bring = threading.Event(), BucketInbox.bring

def bring_and_stop(self, name, folder):
    print(bring(self, name, folder), flush=True)
    arrived.set()
    threading.Event().wait()

BucketInbox.bring = bring_and_stop
with run_tools(Path(sys.argv[1]), workers=0, JOBWIRE_FILES=sys.argv[2], **json.loads(sys.argv[3])) as house:
    customer = house.make_client("c")
    with socket.create_connection(("127.0.0.1", int(house.base.rpartition(":")[2]))) as half_sent:
        half_sent.sendall(
            f"POST {MOUNT}/json-minify-api HTTP/1.1\\r\\nHost: x\\r\\nx-api-key: {customer.key}\\r\\n"
            "Content-Length: 4000000\\r\\n\\r\\n".encode() + b"1" * 3_000_000
        )
        key = customer.upload("a.csv", b"a,b\\n1,2\\n")
        customer.run("csv-to-json", json.dumps({"file": key}), source_type="file")
"""


def test_what_a_killed_server_was_taken_up_with_goes_with_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), str(make_bucket()), json.dumps(KEYS)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(temporary)},
        text=True,
    )
    try:
        assert process.stdout is not None
        arrived = Path(process.stdout.readline().strip())
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    (home,) = temporary.iterdir()
    assert arrived.is_relative_to(home)
    assert arrived.read_bytes() == b"a,b\n1,2\n"
    assert len(list(home.iterdir())) == 3  # half a body, the call of file mode, and what came from the storage
    with run_tools(tmp_path, workers=0):
        assert not home.exists()
    assert list(temporary.iterdir()) == []
