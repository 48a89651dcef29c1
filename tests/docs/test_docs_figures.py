"""Figures and codes that the hand-written pages repeat are those of the source."""

import re
from pathlib import Path

import pytest
from doc_pages import DOCS, name_of, read_page

from jobwire.config import Settings
from jobwire.dialects.native import NATIVE
from jobwire.dialects.spec import BODY_BYTES_MAX, WAIT_S_MAX
from jobwire.domain.estimate import RETRY_AFTER_S_MAX
from jobwire.http.body import JSON_DEPTH_MAX
from jobwire.http.events import BEAT_S, READER_S, STREAM_S
from jobwire.http.site import FINAL_AGE_S
from jobwire.kinds.contract import ChildLimits
from jobwire.kinds.schema import INPUT_BYTES_MAX
from jobwire.service.submission import HORIZON_DAYS_MAX, TAGS_MAX
from jobwire.service.tail import BUFFERED_MAX
from jobwire.service.watching import STREAMS_KEY_MAX, STREAMS_MAX, WAITS_KEY_MAX, WAITS_MAX
from jobwire.store.sqlite.store import CHECKPOINT_PAGES, RESTART_PAGES
from jobwire.store.writer import GROUP_MAX
from jobwire.systems.rentix.dialect import RENTIX
from jobwire.systems.rentix.photo_decode import PIXELS_MAX, SIDE_PX_MAX
from jobwire.systems.rentix.publishing import STAGES
from jobwire.worker.loop import STOP_GRACE_S

CHILD = ChildLimits()
RATES = {limit.name: limit.count for limit in RENTIX.limits}
TOLD = [
    ("api.md", f"at most {INPUT_BYTES_MAX:,} bytes as JSON"),
    ("api.md", f"at most {HORIZON_DAYS_MAX} days ahead"),
    ("api.md", f"at most {TAGS_MAX}, each"),
    ("api.md", f"A body has at most {BODY_BYTES_MAX:,} bytes and {JSON_DEPTH_MAX} levels"),
    ("api.md", f"{NATIVE.retry_after_s} second at the least"),
    ("api.md", f"may be kept for {FINAL_AGE_S // 60} minutes"),
    ("waiting.md", f"from {NATIVE.retry_after_s} to {RETRY_AFTER_S_MAX}"),
    ("waiting.md", f"`wait` is 0 to {WAIT_S_MAX} seconds"),
    ("waiting.md", f"holds {WAITS_MAX:,} waiting calls, {WAITS_KEY_MAX:,} of one key"),
    ("waiting.md", f"holds {STREAMS_MAX:,} streams, {STREAMS_KEY_MAX} of one key"),
    ("waiting.md", f"ends after {STREAM_S / 60:g} minutes"),
    ("waiting.md", f"more than {BUFFERED_MAX} events behind or takes nothing for {READER_S:g} seconds"),
    ("waiting.md", f"Every {BEAT_S:g} seconds"),
    ("operating/running.md", f"{CHILD.memory_bytes_max:,} bytes"),
    ("operating/running.md", f"| {CHILD.cpu_s_max} s |"),
    ("operating/running.md", f"| {CHILD.wall_ms_max // 1000} s |"),
    ("operating/running.md", f"`JOBWIRE_DRAIN_S` seconds ({Settings().drain_s})"),
    ("operating/running.md", f"has {STOP_GRACE_S:g} more seconds"),
    ("operating/running.md", f"`JOBWIRE_LEASE_MS` ({Settings().lease_ms // 1000} s)"),
    ("operating/running.md", f"`JOBWIRE_RETENTION_DAYS` ({Settings().retention_days})"),
    ("operating/sqlite.md", f"at most {GROUP_MAX} writes"),
    ("operating/sqlite.md", f"{CHECKPOINT_PAGES:,} pages"),
    ("operating/sqlite.md", f"{RESTART_PAGES:,} pages"),
    ("dialects/rentix.md", f"{RATES['minute']} calls a minute for each key, {RATES['bulk']} of them bulk calls"),
    ("kinds/announcement_finalize.md", f"{PIXELS_MAX // 10**6} million pixels, {SIDE_PX_MAX:,} px"),
    *(("kinds/announcement_finalize.md", f"| `{name}` | {share:g} % |") for name, share in STAGES.items()),
]


@pytest.mark.parametrize(("page", "words"), TOLD)
def test_a_figure_is_told_as_it_is(page: str, words: str) -> None:
    assert words in " ".join(read_page(DOCS / page).split())


@pytest.mark.parametrize("page", sorted((DOCS / "kinds").glob("*.md")), ids=name_of)
def test_the_codes_of_a_kind_agree_with_the_catalogue(page: Path) -> None:
    catalogue = dict(re.findall(r"^\| `([a-z_]+)` \| ([a-z]+(?: depends)?) \|", read_page(DOCS / "errors.md"), re.M))
    _, _, rest = read_page(page).partition("## How it fails\n")
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| ([^|]+) \|", rest, re.MULTILINE)
    assert rows
    for codes, tried_again in rows:
        for code in re.findall(r"`([a-z_]+)`", codes):
            assert code in catalogue
            if tried_again in ("yes", "no"):
                assert catalogue[code] == tried_again, code
            else:
                assert catalogue[code] == "it depends", code


def test_every_kind_of_the_system_has_its_page() -> None:
    assert {page.stem for page in (DOCS / "kinds").glob("*.md")} == set(RENTIX.kinds or ())
