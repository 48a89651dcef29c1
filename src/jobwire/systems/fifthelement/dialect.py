"""fifthelement on the wire, as data. job_shape.py has its job, routes_*.py its resources, error_words.py its refusals."""

from jobwire.dialects.spec import Carrier, Dialect, Envelope, ErrorField, RateLimit, Route
from jobwire.systems.fifthelement.error_words import ERRORS, complete_details
from jobwire.systems.fifthelement.job_shape import IDS, JOB, PHASES, REFERENCE
from jobwire.systems.fifthelement.starting import KINDS

BODY_BYTES_MAX = 8 * 1024 * 1024

FIFTHELEMENT = Dialect(
    name="fifthelement",
    title="Fifthelement API",
    mount="/v1/api",
    credentials=(Carrier("Authorization", scheme="Bearer"),),
    challenge='Bearer realm="fifthelement"',
    kinds=KINDS,
    phases=PHASES,
    ids=IDS,
    job=JOB,
    job_reference=REFERENCE,
    envelope=Envelope("data", last={"error": None}),
    error_body=(
        ErrorField("data"),
        ErrorField("error.name", "word"),
        ErrorField("error.message", "message"),
        ErrorField("error.details", "details"),
        ErrorField("error.faults", "errors"),
    ),
    errors=ERRORS,
    body_bytes_max=BODY_BYTES_MAX,
    limits=(RateLimit("hour", 1_000, 3_600),),
    default_limits=("hour",),
    ignores_trailing_slash=True,
    hooks={"show_error": complete_details},
    routes=(
        Route("GET", "/jobs/{id}", "status", summary="Read a job"),
    ),
)  # fmt: skip
