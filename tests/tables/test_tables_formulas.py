"""A neutralised cell is no formula, and comes back as what it was."""

from hypothesis import example, given
from hypothesis import strategies as st

from jobwire.tables.formulas import neutralise, restore

LIVE = "=+-@\t\r\n＝＋－＠"


@given(st.text() | st.text("'=+-@\t\r\nab", max_size=8))
@example("'tis")
@example("'=1")
@example("''=1")
def test_every_text_comes_back(text: str) -> None:
    cell = neutralise(text)
    assert restore(cell) == text
    assert not cell.startswith(tuple(LIVE))


@given(st.text())
def test_text_that_nobody_would_run_stays_as_it_is(text: str) -> None:
    if not text.lstrip("'").startswith(tuple(LIVE)):
        assert neutralise(text) == text
