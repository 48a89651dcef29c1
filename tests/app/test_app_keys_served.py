"""Two servers on one ledger, and an operator who ends a key: no server takes it once the command has returned."""

import json
import os
import re
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

JOBWIRE = str(Path(sysconfig.get_path("scripts")) / "jobwire")


def run(*words: str) -> str:
    return subprocess.run([JOBWIRE, *words], check=True, capture_output=True, text=True, timeout=60).stdout


@contextmanager
def serving(**settings: str) -> Iterator[str]:
    """The URL of a server process."""
    process = subprocess.Popen(
        [JOBWIRE, "serve", "--port", "0", "--workers", "0", "--systems", "none"],
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    # Reads on to the end, so that the server never waits for its reader.
    rest = threading.Thread(target=process.stderr.read, daemon=True)
    try:
        said = ""
        while not (found := re.search(r"listens on (http://\S+)", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        rest.start()
        yield found[1]
    finally:
        process.terminate()
        process.wait(20)
        if rest.ident is not None:
            rest.join()
        process.stderr.close()


@pytest.mark.slow
def test_a_key_that_was_ended_is_refused_by_every_server_when_the_command_returns() -> None:
    keys = [json.loads(run("keys", "create", "--owner", "acme", "--json")) for _ in range(2)]
    old = keys[1]
    with ExitStack() as stack:
        urls = [stack.enter_context(serving()) for _ in range(2)]
        clients = [stack.enter_context(httpx.Client(base_url=url, timeout=20)) for url in urls]
        ended = threading.Event()

        def poll(client: httpx.Client) -> None:
            # As a customer who polls all the time: the servers know the key anew each second.
            while not ended.is_set():
                client.get("/v1/me", headers={"X-API-Key": old["key"]})

        pollers = [threading.Thread(target=poll, args=(client,)) for client in clients]
        for poller in pollers:
            poller.start()

        def statuses(key: str) -> list[int]:
            return [httpx.get(f"{url}/v1/me", headers={"X-API-Key": key}).status_code for url in urls]

        try:
            assert statuses(old["key"]) == [200, 200]
            run("keys", "revoke", old["id"])
            assert statuses(old["key"]) == [401, 401]
            assert statuses(keys[0]["key"]) == [200, 200]
            run("owners", "suspend", "acme")
            assert statuses(keys[0]["key"]) == [403, 403]
        finally:
            ended.set()
            for poller in pollers:
                poller.join()


@pytest.mark.slow
def test_two_servers_limit_an_account_together() -> None:
    key = json.loads(run("keys", "create", "--owner", "acme", "--json"))["key"]
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(JOBWIRE_LIMITS="read=100/36000")) for _ in range(2)]
        clients = [stack.enter_context(httpx.Client(base_url=url, timeout=20)) for url in urls]
        answers = [client.get("/v1/me", headers={"X-API-Key": key}) for _ in range(100) for client in clients]
        served = [answer for answer in answers if answer.status_code == 200]
        assert 100 <= len(served) <= 110
        refused = answers[-1]
        assert (refused.status_code, refused.headers["ratelimit-policy"]) == (429, '"read";q=100;w=36000')
        assert int(refused.headers["retry-after"]) >= 1
