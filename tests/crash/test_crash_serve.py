"""`jobwire serve` killed under load and stopped politely: what was answered stands."""

import itertools
import os
import random
import select
import socket
import threading

import httpx
import pytest
from served import make_key

from jobwire.domain.ids import show_id

pytestmark = pytest.mark.slow

KILLS = 4
SEED = random.randrange(1 << 32)


def wait_for(is_reached, what, within_s=20):
    never = select.poll()
    for _ in range(within_s * 50):
        if is_reached():
            return
        never.poll(20)
    raise AssertionError(f"not within {within_s} s: {what}")


def submit_without_end(address, key, accepted, is_over):
    """Submit until the server is gone; keep what was answered 202."""
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=10) as client:
        for count in itertools.count():
            try:
                answer = client.post("/v1/jobs", json={"kind": "quick", "input": {"a": count}})
            except httpx.HTTPError:
                if is_over.is_set():
                    return
                continue
            assert answer.status_code == 202, answer.text
            accepted.append(answer.json()["id"])


def test_everything_that_was_answered_202_is_there_after_a_kill_and_a_restart(serve, tmp_path, ledger):
    print(f"\nseed {SEED}")
    choose = random.Random(SEED)
    key, accepted = make_key(tmp_path, ledger), []
    never = select.poll()
    for _ in range(KILLS):
        served, is_over = serve(), threading.Event()
        clients = [
            threading.Thread(target=submit_without_end, args=(served.address, key, accepted, is_over))
            for _ in range(4)
        ]
        for client in clients:
            client.start()
        enough = len(accepted) + 20
        wait_for(lambda enough=enough: len(accepted) > enough, "submissions are accepted")
        never.poll(choose.random() * 500)
        is_over.set()
        served.kill()
        for client in clients:
            client.join(20)
    served = serve(JOBWIRE_WORKERS="8")
    wait_for(lambda: ledger.query("SELECT count(*) FROM state WHERE state < 2") == [(0,)], "all is done", 60)
    assert ledger.find_damage() == []
    there = {show_id(key) for (key,) in ledger.query("SELECT key FROM job")}
    assert set(accepted) <= there
    assert len(set(accepted)) == len(accepted) > 20 * KILLS
    with served.client(key) as client:
        for job_id in choose.sample(accepted, 20):
            assert client.get(f"/v1/jobs/{job_id}").json()["phase"] == "completed"
    print(f"  {KILLS} kills, {len(accepted)} accepted, {len(there)} in the ledger")


def start_job(served, client, kind, mark, **given):
    """Submit a job of crash_app and wait until it runs."""
    answer = client.post("/v1/jobs", json={"kind": kind, "input": {"mark": str(mark), **given}})
    assert answer.status_code == 202, answer.text
    wait_for(lambda: mark.exists() and mark.read_text() != "", f"{kind} runs\n{served.text()}")
    return answer.json()["id"]


def test_sigterm_gives_back_what_does_not_end_and_exits_with_0(serve, tmp_path, ledger):
    served, key = serve(), make_key(tmp_path, ledger)
    with served.client(key) as client:
        start_job(served, client, "patient", tmp_path / "mark")
    served.terminate()
    assert served.wait() == 0, served.text()
    assert ledger.query("SELECT state, attempt, reason FROM state") == [(0, 0, 7)]
    assert ledger.query("SELECT count(*) FROM lease") == [(0,)]
    assert ledger.query("SELECT count(*) FROM worker") == [(0,)]
    assert "Traceback" not in served.text()
    # Its only attempt is still to be had.
    (tmp_path / "mark").unlink()
    again = serve()
    wait_for((tmp_path / "mark").exists, f"the job runs again\n{again.text()}")
    wait_for(lambda: (tmp_path / "mark").read_text().endswith(" 1"), "it is the first attempt")


def test_sigterm_waits_for_what_ends_in_time(serve, tmp_path, ledger):
    served, key = serve(JOBWIRE_DRAIN_S="20"), make_key(tmp_path, ledger)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with served.client(key) as client:
        start_job(served, client, "brief", tmp_path / "mark", pipe=str(pipe))
    served.terminate()
    wait_for(lambda: "stopping" in served.text(), "it has heard")
    pipe.write_text("done")
    assert served.wait() == 0, served.text()
    assert ledger.query("SELECT state, output FROM state") == [(2, '"done"')]


def test_a_second_sigterm_does_not_wait(serve, tmp_path, ledger):
    served, key = serve(JOBWIRE_DRAIN_S="3600"), make_key(tmp_path, ledger)
    with served.client(key) as client:
        start_job(served, client, "patient", tmp_path / "mark")
    served.terminate()
    wait_for(lambda: "stopping" in served.text(), "it has heard the first")
    served.terminate()
    assert served.wait() == 0, served.text()
    assert ledger.query("SELECT state, attempt FROM state") == [(0, 0)]


def test_a_thread_that_never_ends_does_not_keep_the_server_from_ending(serve, tmp_path, ledger):
    os.mkfifo(tmp_path / "stuck")
    served, key = serve(JOBWIRE_DRAIN_S="0", STUCK_PIPE=str(tmp_path / "stuck")), make_key(tmp_path, ledger)
    with served.client(key) as client:
        start_job(served, client, "stuck", tmp_path / "mark")
    served.terminate()
    assert served.wait() == 0, served.text()
    assert ledger.query("SELECT state, attempt FROM state") == [(0, 0)]


def test_a_client_that_says_nothing_does_not_keep_the_server_from_ending(serve, tmp_path, ledger):
    served, key = serve(JOBWIRE_DRAIN_S="3600"), make_key(tmp_path, ledger)
    host, port = served.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as silent:
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        silent.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{{".encode())
        with served.client(key) as client:
            assert client.get("/healthz").status_code == 200
        served.terminate()
        wait_for(lambda: "stopping" in served.text(), "it has heard the first")
        served.terminate()
        assert served.wait() == 0, served.text()
