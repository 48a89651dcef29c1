"""What the operator and the kinds have decided about order and caps: portable SQL over a Transaction, for any engine.

Kept in the ledger, so that every process on it agrees; the declarations of a process are written when it opens.
"""

from collections.abc import Iterable, Mapping
from typing import get_args

from jobwire.domain.caps import Cap, Scope
from jobwire.domain.order import FIFO_LANE
from jobwire.kinds.contract import Kind
from jobwire.store.contract import Reader, Transaction

_KIND_SCOPES = tuple(scope for scope in get_args(Scope) if scope != "owner")

# Who waits keeps its place; the next job comes after the latest of its lane: of its owner, or of all.
_JOIN_LANES = """
INSERT INTO owner_lane (queue, priority, owner, last_turn)
SELECT j.queue, j.priority, CASE WHEN :is_fair = 1 THEN j.owner ELSE :lane END, max(j.turn)
  FROM (SELECT number FROM ready WHERE queue = :queue
        UNION ALL SELECT number FROM blocked WHERE queue = :queue
        UNION ALL SELECT number FROM due) AS w
  JOIN job AS j ON j.number = w.number
 WHERE j.queue = :queue
 GROUP BY j.queue, j.priority, CASE WHEN :is_fair = 1 THEN j.owner ELSE :lane END
ON CONFLICT (queue, priority, owner) DO UPDATE
   SET last_turn = CASE WHEN excluded.last_turn > owner_lane.last_turn THEN excluded.last_turn
                        ELSE owner_lane.last_turn END
"""


def set_weight(tx: Transaction, name: str, weight: int) -> bool:
    """Give an owner's later jobs that many times the turns of one with weight 1; False if there is no such owner."""
    return tx.execute("UPDATE owner SET weight = :weight WHERE name = :name", weight=weight, name=name) == 1


def list_caps(reader: Reader) -> dict[tuple[str, str], Cap]:
    """Every cap by its scope and name."""
    rows = reader.query("SELECT scope, name, count_max, window_ms FROM cap")
    return {(scope, name): Cap(scope, name, count_max, window_ms) for scope, name, count_max, window_ms in rows}


def keep_caps(tx: Transaction, kinds: Iterable[Kind]) -> None:
    """Make the caps of these kinds what they declare; those of other kinds stay."""
    kept = list_caps(tx)
    for kind in kinds:
        declared = {cap.scope: cap for cap in kind.caps}
        for scope in _KIND_SCOPES:
            cap = declared.get(scope)
            if cap == kept.get((scope, kind.name)):
                continue
            if cap is None:
                tx.drop_cap(scope, kind.name)
            else:
                tx.set_cap(cap)


def keep_fairness(tx: Transaction, queues: Mapping[str, bool]) -> None:
    """Make these queues fair or not; jobs that wait keep their order, and an owner's next comes after its last."""
    unfair = {queue for (queue,) in tx.query("SELECT queue FROM queue_policy WHERE is_fair = 0")}
    for queue, is_fair in queues.items():
        if is_fair != (queue in unfair):
            continue
        sql = (
            "INSERT INTO queue_policy (queue, is_fair) VALUES (:queue, :is_fair) "
            "ON CONFLICT (queue) DO UPDATE SET is_fair = excluded.is_fair"
        )
        tx.execute(sql, queue=queue, is_fair=int(is_fair))
        tx.execute(_JOIN_LANES, queue=queue, is_fair=int(is_fair), lane=FIFO_LANE)
