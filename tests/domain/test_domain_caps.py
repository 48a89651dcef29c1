"""Who may start under caps: the pure rule."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.caps import Need, admit

NEEDS = [Need("owner", "1", 2, None), Need("kind", "convert", 3, None), Need("rate", "convert/1/a", 1, 60_000)]
CANDIDATES = st.lists(st.sets(st.sampled_from(NEEDS)), max_size=12)
TAKEN = st.fixed_dictionaries({need[:2]: st.integers(0, 3) for need in NEEDS})


@given(CANDIDATES, TAKEN, st.sets(st.sampled_from([need[:2] for need in NEEDS])), st.integers(1, 5))
def test_a_claim_takes_no_more_than_is_left_and_tells_what_became_of_whom(
    wanted: list[set[Need]], taken: dict[tuple[str, str], int], awaited: set[tuple[str, str]], limit: int
) -> None:
    needs = {number: sorted(some) for number, some in enumerate(wanted)}
    before = dict(taken)
    looked_at, started, held, passed_by = admit(list(needs), needs, taken=taken, awaited=awaited, limit=limit)
    assert sorted([*started, *(number for number, _ in held)]) == list(range(looked_at))
    assert len(started) <= limit
    for need in NEEDS:
        count = sum(need in needs[number] for number in started)
        assert taken[need[:2]] == before[need[:2]] + count
        assert count == 0 or taken[need[:2]] <= need.count_max
    for number, need in held:
        assert need in needs[number]
        assert taken[need[:2]] >= need.count_max
    assert all(passed_by[scope] <= len(held) for scope in passed_by)
    assert looked_at or not wanted, "a claim that looks goes on"


@given(CANDIDATES, TAKEN)
def test_without_a_limit_who_starts_is_who_finds_room_in_the_order(
    wanted: list[set[Need]], taken: dict[tuple[str, str], int]
) -> None:
    needs = {number: sorted(some) for number, some in enumerate(wanted)}
    room = Counter({need[:2]: need.count_max - taken[need[:2]] for need in NEEDS})
    expected = []
    for number, some in needs.items():
        if all(room[need[:2]] > 0 for need in some):
            room.subtract(need[:2] for need in some)
            expected.append(number)
    assert admit(list(needs), needs, taken=taken, awaited=set(), limit=99).started == expected


def test_a_permit_that_was_passed_by_goes_to_nobody_later_while_others_wait_for_it() -> None:
    owner, kind, _ = NEEDS
    needs = {1: [owner, kind], 2: [kind], 3: []}
    taken = {owner[:2]: 2, kind[:2]: 0}
    found = admit([1, 2, 3], needs, taken=taken, awaited={kind[:2]}, limit=9)
    assert (found.looked_at, found.started, found.held) == (1, [], [(1, owner)])
    assert found.passed_by == {kind[:2]: 1}
    assert admit([1, 2, 3], needs, taken=taken, awaited=set(), limit=9).started == [2, 3]
