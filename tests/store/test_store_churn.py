"""G9 under churn: after every step of a random history, positions equal a count of the whole order.

JOBWIRE_G9_SAMPLES sets how many positions are compared on each engine (3,000 unless given).
"""

import os
from collections.abc import Callable
from random import Random

import pytest
from store_ledger import LEASE_MS, OUTCOMES, WAIT_S, Ledger, give_weight

from jobwire.domain.caps import Cap
from jobwire.domain.order import TURN_STEP
from jobwire.store.contract import Claim, Transaction

SAMPLES = int(os.environ.get("JOBWIRE_G9_SAMPLES", "3000"))
SAMPLES_A_STEP = 12
WEIGHTS = {1: 1, 2: 1, 3: 3, 4: 7, 5: 1_000}
QUEUES = ("q", "another")
CAPS = (Cap("owner", "1", 3), Cap("kind", "convert", 40), Cap("concurrency_key", "convert", 2))

RANK = """
WITH waiting AS (
  SELECT queue, priority, turn, number FROM ready UNION ALL SELECT queue, priority, turn, number FROM blocked
)
SELECT count(*) FROM waiting
 WHERE queue = :queue AND (priority, turn, number) < (:priority, :turn, :number)
"""
WAITING = "SELECT number, owner FROM job JOIN state USING (number) WHERE state = 0 AND run_at IS NULL"


class Churn:
    """Customers, workers and upkeep in a random order."""

    def __init__(self, ledger: Ledger, rng: Random) -> None:
        self.ledger = ledger
        self.rng = rng
        self.claims: list[Claim] = []
        self.samples = 0

    def step(self) -> None:
        moves: list[tuple[Callable[[], object], int]] = [
            (self.submit, 8),
            (self.claim, 8),
            (self.settle, 6),
            (self.cancel, 3),
            (self.promote, 2),
            (self.rescue, 1),
            (self.leap, 4),
            (self.fold, 1),
        ]
        (move,) = self.rng.choices([move for move, _ in moves], [share for _, share in moves])
        move()

    def submit(self) -> None:
        rng, now = self.rng, self.ledger.clock.now
        jobs = [
            self.ledger.new(
                owner=rng.choice(list(WEIGHTS)),
                queue=rng.choice(QUEUES),
                priority=rng.choice([0, 4, 5, 5, 5, 9]),
                run_at=rng.choice([None, None, None, now - 1, now + rng.randint(1, 5_000)]),
                deadline_at=rng.choice([None, None, None, now + rng.randint(1, 20_000)]),
                attempts_max=rng.randint(1, 4),
                concurrency_key=rng.choice([None, None, "a"]),
            )
            for _ in range(rng.choice([1, 1, 3, 40]))
        ]
        self.ledger.receive(*jobs)

    def claim(self) -> None:
        self.claims += self.ledger.claim(self.rng.choice([1, 2, 30]), queue=self.rng.choice(QUEUES))

    def settle(self) -> None:
        for _ in range(min(len(self.claims), self.rng.randint(1, 8))):
            claim = self.claims.pop(self.rng.randrange(len(self.claims)))
            self.ledger.settle(claim, self.rng.choice(OUTCOMES))

    def cancel(self) -> None:
        for number, owner, *_ in self.waiting(self.rng.choice([1, 5, 20])):
            self.ledger.cancel(number, owner=owner)

    def promote(self) -> None:
        self.ledger.clock.advance(self.rng.randint(1, 3_000))
        self.ledger.store.promote().result(WAIT_S)

    def rescue(self) -> None:
        self.ledger.lose_worker(lease_ms=LEASE_MS)

    def leap(self) -> None:
        """An owner that has sent very much already: its next turns lie in other cells of every level."""
        owner, jump = self.rng.choice(list(WEIGHTS)), TURN_STEP * self.rng.choice([8, 500, 30_000, 2_000_000])

        def move(tx: Transaction) -> None:
            tx.execute(
                "UPDATE owner_lane SET last_turn = last_turn + :jump WHERE owner = :owner", jump=jump, owner=owner
            )

        self.ledger.store.write(move).result(WAIT_S)

    def fold(self) -> None:
        self.ledger.store.fold().result(WAIT_S)

    def waiting(self, how_many: int) -> list[tuple[int, int]]:
        """Random waiting jobs with their owners."""
        found = self.ledger.query(
            "SELECT number, owner FROM job JOIN state USING (number) WHERE state = 0 AND run_at IS NULL"
        )
        return self.rng.sample(found, min(how_many, len(found)))

    def compare(self) -> None:
        for number, owner in self.waiting(SAMPLES_A_STEP):
            row = self.ledger.row(number, owner=owner)
            place = {"queue": row.queue, "priority": row.priority, "turn": row.turn, "number": row.number}
            assert self.ledger.position(number, owner=owner) == self.ledger.query(RANK, **place)[0][0], row
            self.samples += 1


def compare_under_churn(ledger: Ledger, rng: Random, *, samples: int) -> None:
    for cap in CAPS:
        ledger.set_cap(cap)
    for owner, weight in WEIGHTS.items():
        give_weight(ledger, owner, weight)
    churn = Churn(ledger, rng)
    while churn.samples < samples:
        churn.step()
        churn.compare()


@pytest.mark.slow
def test_g9_under_churn_every_position_is_what_counting_the_order_gives(ledger: Ledger, rng: Random) -> None:
    compare_under_churn(ledger, rng, samples=SAMPLES)
