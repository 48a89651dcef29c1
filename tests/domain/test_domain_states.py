"""The transition table: what its shape alone promises."""

import runpy
from itertools import product
from pathlib import Path

from jobwire.domain.states import FINAL_STATES, TRANSITIONS, Event, State, is_legal

ROOT = Path(__file__).parents[2]


def test_no_arrow_leaves_a_final_state() -> None:
    assert [t.name for t in TRANSITIONS if t.source in FINAL_STATES] == []


def test_every_state_is_reached_and_every_state_that_is_not_final_is_left() -> None:
    reached: set[State | None] = {None}
    for _ in State:
        reached |= {t.target for t in TRANSITIONS if t.source in reached}
    assert reached == {None, *State}
    assert {t.source for t in TRANSITIONS} == {None, *State} - FINAL_STATES


def test_every_event_is_in_the_table_and_leads_to_one_state_only() -> None:
    targets: dict[Event, set[State]] = {event: set() for event in Event}
    for transition in TRANSITIONS:
        targets[transition.event].add(transition.target)
    assert {event: len(states) for event, states in targets.items()} == dict.fromkeys(Event, 1)


def test_transition_names_are_unique_and_each_row_says_who_when_and_what() -> None:
    assert len({t.name for t in TRANSITIONS}) == len(TRANSITIONS)
    assert all(t.actor and t.guard and t.effect for t in TRANSITIONS)


def test_exactly_the_arrows_of_the_table_are_legal() -> None:
    arrows = {(t.event, t.source, t.target) for t in TRANSITIONS}
    everything = product(Event, (None, *State), State)
    assert {(e, s, t) for e, s, t in everything if is_legal(e, source=s, target=t)} == arrows


def test_stored_numbers_never_change_their_meaning() -> None:
    assert [(state.name, state.value) for state in State] == [
        ("QUEUED", 0), ("RUNNING", 1), ("COMPLETED", 2), ("FAILED", 3), ("CANCELLED", 4),
    ]  # fmt: skip
    assert [(event.name, event.value) for event in Event] == [
        ("SUBMITTED", 1), ("PROMOTED", 2), ("CLAIMED", 3), ("PROGRESSED", 4), ("COMPLETED", 5), ("RETRIED", 6),
        ("FAILED", 7), ("RESCUED", 8), ("CANCELLED", 9), ("CANCEL_REQUESTED", 10), ("INTERRUPTED", 11),
        ("SNOOZED", 12), ("EXPIRED", 13),
    ]  # fmt: skip


def test_the_page_on_the_state_machine_is_what_the_code_says() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "write_state_machine.py"))
    page = (ROOT / "docs" / "state_machine.md").read_text(encoding="utf-8")
    assert page == tool["render_page"](), "run tools/write_state_machine.py"
