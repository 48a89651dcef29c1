"""What an operator may read of a failed job reaches no customer through any route of rentix."""

import re
from pathlib import Path

import pytest
from rentix_house import FLAT, PhotoServer, run_rentix

from jobwire.domain.outcome import Failed, PublicError
from jobwire.domain.retry import RetryPolicy
from jobwire.domain.settlement import AttemptFacts, Lease, settle_outcome
from jobwire.store.contract import ClaimRequest
from jobwire.systems.rentix.dialect import RENTIX

SECRET = "hunter2"


@pytest.mark.slow
def test_no_route_shows_what_is_internal_of_a_failed_job(tmp_path: Path, photos: PhotoServer) -> None:
    with run_rentix(tmp_path, workers=0) as running:
        client, store = running.make_client("Secretive"), running.house.store
        listing = client.put_listing(
            externalId="flat-1", announcementStatus="active", files=photos.urls("ok", "ok", "ok"), **FLAT
        )
        [(number, queue)] = store.read(lambda r: r.query("SELECT number, queue FROM job")).result(10)
        [claim] = store.claim(ClaimRequest("w", queue, 1)).result(10)
        error = PublicError("listing_changing", "It changed.", retryable=False)
        outcome = Failed(error, internal=f"Traceback (most recent call last):\n/srv/{SECRET}.py")
        facts = AttemptFacts(claim.attempt, claim.attempts_max, claim.losses, cancel_requested=False)
        lease = Lease(claim.number, claim.fence)
        settlement = settle_outcome(lease, outcome, facts=facts, policy=RetryPolicy(), jitter=0.5)
        assert store.settle([settlement]).result(10).accepted == [number]
        assert SECRET in store.attempts(number).result(10)[0].internal
        assert client.status(number)["status"] == "failed"
        for route in RENTIX.routes:
            path = re.sub(r"\{externalId\}", "flat-1", route.path).replace("{id}", str(listing["id"]))
            for body in (None, {"externalId": "flat-1"}, []):
                answer = client.send(route.method, f"{path}?id={number}", json=body)
                assert answer.status_code < 500, (route.path, answer.text)
                assert SECRET not in answer.text and "Traceback" not in answer.text, route.path
                assert answer.headers["x-request-id"]
