"""Claims under caps: permits, blocked jobs and their release. domain/caps.py decides who may start.

Of the jobs a scope and name hold back, at least as many as permits are free must be ready again in each queue, or a
slot would stay empty: whoever gives a permit back or leaves the order without taking one releases the next. To
release one too many is harmless, because the next claim holds it back again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from jobwire.domain.caps import Cap, Need, ScopeName, admit
from jobwire.store.counting import Counting
from jobwire.store.transaction import decode_numbers, encode_json

# What a claim looks at among jobs that are held back, before others have their turn: 4 ms.
SCANNED_MAX = 1_000

Spot = tuple[int, int, int]
"""Where a job stands in its queue: priority, turn, number."""

_decode_spots = msgspec.json.Decoder(list[Spot]).decode
_decode_needs = msgspec.json.Decoder(list[tuple[int, Need]]).decode
_decode_taken = msgspec.json.Decoder(list[tuple[str, str, int, int]]).decode


class Admitted(NamedTuple):
    """What a claim may start, in order, and the permits it takes for that: (scope, name, number, ends_at)."""

    spots: list[Spot]
    permits: list[tuple[str, str, int, int | None]]


class Capping(Counting):
    """See Store.claim."""

    _is_capped: bool | None = None

    # what a claim takes

    def _admit(self, queue: str, limit: int) -> Admitted:
        """Takes up to `limit` of the first jobs that no cap holds back out of ready; whoever is passed is blocked."""
        if not self._has_caps():
            spots = self._pick(queue, limit)
            if spots:
                self._take(queue, spots)
            return Admitted(spots, [])
        return self._admit_under_caps(queue, limit)

    def _pick(self, queue: str, limit: int) -> list[Spot]:
        """The first ready jobs of the queue."""
        return _decode_spots(self._one(self.sql.claim["pick"], queue=queue, limit=limit)[0])

    def _take(self, queue: str, spots: Sequence[Spot]) -> None:
        """Removes what was just picked, or its first part, from ready."""
        priority, turn, number = spots[-1]
        self._run(self.sql.claim["take"], queue=queue, priority=priority, turn=turn, number=number)

    def _has_caps(self) -> bool:
        if self._is_capped is None:
            self._is_capped = self._one(self.sql.caps["first"]) is not None
        return self._is_capped

    def _admit_under_caps(self, queue: str, limit: int) -> Admitted:
        self._end_windows()
        admitted = Admitted([], [])
        taken: dict[ScopeName, int] = {}
        awaited: set[ScopeName] = set()
        scanned, width = 0, limit
        while len(admitted.spots) < limit:
            if scanned >= SCANNED_MAX:
                self.unfinished_queues.add(queue)
                break
            candidates = self._pick(queue, min(width, SCANNED_MAX - scanned))
            if not candidates:
                break
            numbers = [number for *_, number in candidates]
            needs = self._needs_of(numbers)
            self._look_up(needs, taken, awaited)
            looked_at, started, held, passed_by = admit(
                numbers, needs, taken=taken, awaited=awaited, limit=limit - len(admitted.spots)
            )
            self._take(queue, candidates[:looked_at])
            self._hold(held)
            # Twice as many, so that a long row of jobs that are held by both is walked in a few rounds.
            self._release({scope: 2 * count for scope, count in passed_by.items()})
            chosen = set(started)
            admitted.spots.extend(spot for spot in candidates if spot[2] in chosen)
            admitted.permits.extend(self._permits_of(started, needs))
            scanned, width = scanned + looked_at, 2 * width
        admitted.spots.sort()
        return admitted

    def _needs_of(self, numbers: Sequence[int]) -> Mapping[int, list[Need]]:
        needs: dict[int, list[Need]] = defaultdict(list)
        for number, need in _decode_needs(self._one(self.sql.caps["needs"], numbers=encode_json(numbers))[0]):
            needs[number].append(need)
        return needs

    def _look_up(
        self, needs: Mapping[int, Iterable[Need]], taken: dict[ScopeName, int], awaited: set[ScopeName]
    ) -> None:
        """Count the permits that are taken, and note where jobs are held back, of scopes not seen before."""
        scopes = sorted({need[:2] for wanted in needs.values() for need in wanted} - taken.keys())
        if scopes:
            self._lock_scopes(scopes)
            found = self._one(self.sql.caps["taken"], scopes=encode_json(scopes), now=self.now)[0]
            for scope, name, count, is_awaited in _decode_taken(found):
                taken[scope, name] = count
                if is_awaited:
                    awaited.add((scope, name))

    def _lock_scopes(self, scopes: Iterable[ScopeName]) -> None:
        """Keeps other transactions from counting or releasing these until this one ends: there is one writer."""

    def _hold(self, held: Sequence[tuple[int, Need]]) -> None:
        if held:
            rows = encode_json([(number, need.scope, need.name) for number, need in held])
            self._run(self.sql.caps["hold"], rows=rows)

    def _permits_of(
        self, numbers: Iterable[int], needs: Mapping[int, Iterable[Need]]
    ) -> list[tuple[str, str, int, int | None]]:
        return [
            (scope, name, number, None if window_ms is None else self.now + window_ms)
            for number in numbers
            for scope, name, _, window_ms in needs.get(number, ())
        ]

    def _take_permits(self, permits: Sequence[tuple[str, str, int, int | None]]) -> None:
        if permits:
            self._run(self.sql.caps["take"], permits=encode_json(permits))

    # what gives permits back

    def _end_permits(self, numbers: str) -> None:
        """The leases of these jobs have ended."""
        if self._has_caps():
            self._release(Counter(self.query(self.sql.caps["end_leased"], numbers=numbers)))

    def _end_windows(self) -> None:
        """Starts that are longer ago than their cap's time no longer count."""
        if self._has_caps():
            self._release(Counter(self.query(self.sql.caps["end_windows"], now=self.now)))

    def _leave_order(self, numbers: str) -> None:
        super()._leave_order(numbers)
        if self._has_caps():
            held = {row[0] for row in self.query(self.sql.caps["let_go"], numbers=numbers)}
            ready = [number for number in decode_numbers(numbers) if number not in held]
            needs = [need for wanted in self._needs_of(ready).values() for need in wanted]
            self._release(Counter(need[:2] for need in needs))

    def _release(self, free: Mapping[ScopeName, int]) -> None:
        """The first jobs that wait for these permits are ready again, at their place, as many in each queue."""
        if not free:
            return
        self._lock_scopes(sorted(free))
        scopes = encode_json([(*scope, count) for scope, count in free.items()])
        for scope, name, count, queue in self.query(self.sql.caps["held_queues"], scopes=scopes):
            params = {"scope": scope, "name": name, "queue": queue, "count": count}
            self._let_go(self._one(self.sql.caps["first_held"], **params)[0])
            self._tell_ready(queue)

    def _let_go(self, numbers: str) -> None:
        self._run(self.sql.settle["back_to_ready"], numbers=numbers)
        self.query(self.sql.caps["let_go"], numbers=numbers)
        self.has_changes = True

    # the caps themselves

    def set_cap(self, cap: Cap) -> None:
        """Holds from the next claim on; what runs already counts."""
        self._run(self.sql.caps["set"], **cap._asdict())
        if cap.window_ms is None:
            self._run(self.sql.caps["count_running"], scope=cap.scope, name=cap.name)
        self._review(cap.scope, cap.name)

    def drop_cap(self, scope: str, name: str) -> None:
        """Nothing is held by it any more."""
        self._run(self.sql.caps["drop"], scope=scope, name=name)
        self._run(self.sql.caps["drop_permits"], scope=scope, name=name)
        self._review(scope, name)

    def _review(self, scope: str, name: str) -> None:
        """Whatever the cap held is looked at anew by the next claim."""
        self._is_capped = None
        numbers: str = self._one(self.sql.caps["all_held"], scope=scope, name=name)[0]
        if numbers != "[]":
            for queue, _, _ in self._lanes_of(numbers):
                self._tell_ready(queue)
            self._let_go(numbers)
