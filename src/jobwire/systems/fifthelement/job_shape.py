"""How a job looks and is named in this system, as data: dialect.py and routes_jobs.py stand on it."""

from typing import Final

from jobwire.dialects.spec import ALL_PHASES, Field, IdForm, JobReference
from jobwire.domain.phases import FINAL_PHASES, Phase

PHASES: Final = {
    Phase.SCHEDULED: "pending",
    Phase.WAITING: "pending",
    Phase.RETRYING: "running",
    Phase.RUNNING: "running",
    Phase.CANCELLING: "running",
    Phase.COMPLETED: "completed",
    Phase.FAILED: "failed",
    Phase.EXPIRED: "failed",
    Phase.CANCELLED: "cancelled",
}

IDS: Final = IdForm(form="hex")

ID_PATTERN: Final = r"^(job_[A-Za-z0-9]{1,64}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$"

REFERENCE: Final = JobReference(
    missing="The parameter 'id' must be a job's id: job_ and 1 to 64 letters and digits, or a UUID",
    pattern=ID_PATTERN,
)

_PENDING: Final = frozenset({Phase.SCHEDULED, Phase.WAITING})
_COMPLETED: Final = frozenset({Phase.COMPLETED})
_FAILED: Final = frozenset({Phase.FAILED, Phase.EXPIRED})

JOB: Final = (
    Field("id", "id"),
    Field("type", "kind"),
    Field("status", "word"),
    # Nothing yet, unless it was tried before and waits to be tried again: that keeps what it had reached.
    Field("progress", "progress.percent", "whole", when=_PENDING, words={100: 99}),
    # Begun is more than nothing, what has ended does not fall back to it, and only completion is the whole.
    Field("progress", "progress.percent", "whole", when=ALL_PHASES - _PENDING - _COMPLETED, words={0: 1, 100: 99}),
    Field("progress", value=100, when=_COMPLETED),
    Field("result", when=ALL_PHASES - _COMPLETED - _FAILED),
    Field("result", "output", when=_COMPLETED),
    Field("result.documentsProcessed", "error.details", part="documentsProcessed", words={None: 0}, when=_FAILED),
    Field("result.errors", "error.details", part="errors", words={None: 1}, when=_FAILED),
    Field("result.message", "error.message", when=_FAILED),
    Field("result.code", "error.code", when=_FAILED),
    Field("result.details", "error.details", omit_null=True, when=_FAILED),
    Field("createdAt", "created_at", "iso_s"),
    Field("completedAt", "finalized_at", "iso_s", when=FINAL_PHASES),
    Field("completedAt", when=ALL_PHASES - FINAL_PHASES),
    Field("originalJobId", "rerun_of", omit_null=True),
)
"""Seven keys always, and an eighth on a rerun."""
