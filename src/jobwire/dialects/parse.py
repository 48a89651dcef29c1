"""Reads what a caller sends: the job it names, the submission it makes, the page it asks for. Strict, and pure."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from jobwire.dialects.sent import NATIVE_PAGE, PageWords, Sent
from jobwire.dialects.spec import Dialect, IdForm, JobReference
from jobwire.dialects.taking import Parts, find_sent
from jobwire.domain.errors import RequestError
from jobwire.domain.ids import read_dashed, read_hex, read_id, read_uuid
from jobwire.domain.job import Page
from jobwire.domain.phases import Phase
from jobwire.kinds.faults import Fault, find_faults

T = TypeVar("T")

NUMBER_DIGITS_MAX = 18
PAGE_DEFAULT, PAGE_MAX = 20, 100
START_MAX = 10_000
DELAY_S_MAX = 365 * 24 * 3_600
IDEMPOTENCY_KEY_CHARS_MAX = 255
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NATIVE_IDS = IdForm()

Time = Annotated[datetime, Meta(tz=True, description="ISO-8601 with an offset or Z")]


class WebhookWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a job's events are to go, and which; without `events` the four that end it."""

    url: str
    events: list[str] | None = None


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that submits a job; `delay` is in seconds. The service checks what each field may hold."""

    kind: str
    input: Any = None
    queue: str | None = None
    priority: int | None = None
    run_at: Time | None = None
    delay: Annotated[float, Meta(ge=0, le=DELAY_S_MAX)] | None = None
    deadline: Time | None = None
    tags: list[str] | None = None
    max_wait: str | float | None = None
    concurrency_key: str | None = None
    webhook: str | WebhookWish | None = None


class JobName(NamedTuple):
    """The job a caller names: by key or by number, the other is None."""

    key: str | None
    number: int | None


def read_name(style: str, text: str, ids: IdForm = NATIVE_IDS) -> JobName | None:
    """The job that `text` names in a reference's style, or None if it names none."""
    if style == "number":
        return _read_number(text)
    match ids.form:
        case "key":
            key = read_id(text, ids.prefix)
        case "uuid":
            key = read_uuid(text.removeprefix(ids.prefix)) if text.startswith(ids.prefix) else None
        case "hex":
            after = text.removeprefix(ids.prefix) if text.startswith(ids.prefix) else ""
            key = read_hex(after) or read_dashed(text) or read_id(text, ids.prefix)
        case "number":
            return _read_number(text.removeprefix(ids.prefix)) if text.startswith(ids.prefix) else None
        case "tail":
            return None
    return None if key is None else JobName(key, None)


def _read_number(text: str) -> JobName | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX):
        return None
    number = int(text)
    return JobName(None, number) if number > 0 else None


def read_reference(
    reference: JobReference,
    *,
    params: Mapping[str, str],
    query: Mapping[str, str],
    body: Any,
    ids: IdForm = NATIVE_IDS,
) -> JobName:
    """The job a call names; RequestError with the reference's own code and texts, or not_found."""
    sent = read_reference_text(reference, Parts(params, query, {}, body))
    name = read_name(reference.style, sent, ids)
    if name is None:
        raise _refuse(reference, reference.malformed)
    return name


def read_reference_text(reference: JobReference, parts: Parts) -> str:
    """What a call says where it names a job; RequestError as read_reference for nothing and for no text."""
    sent = find_sent(Sent(reference.place, reference.name, reference.pattern), parts)
    if sent is None or sent == "":
        raise _refuse(reference, reference.missing)
    if not isinstance(sent, str):
        raise _refuse(reference, reference.malformed)
    return sent


def _refuse(reference: JobReference, message: str | None) -> RequestError:
    if message is None:
        return RequestError("not_found", JOB_NOT_FOUND)
    return RequestError(reference.code, message, details={"parameter": reference.name})


JOB_NOT_FOUND = "there is no such job; check the id and that it is your account's"


def read_form(form: type[T], body: Any) -> T:
    """A decoded body as what it must be; RequestError invalid_request names every fault by its JSON pointer."""
    try:
        return msgspec.convert(body, form)
    except msgspec.ValidationError as error:
        raise refuse_faults(find_faults(form, body) or [Fault("", str(error))]) from None


def read_submission(body: Any) -> Submission:
    """The submission of a decoded body; RequestError as read_form."""
    submission = read_form(Submission, body)
    if submission.run_at is not None and submission.delay is not None:
        raise refuse_faults([Fault("/delay", "give run_at or delay, not both")])
    return submission


def refuse_faults(faults: list[Fault]) -> RequestError:
    """The refusal of a call for these faults; the message tells the first."""
    first = faults[0]
    message = f"{first.pointer}: {first.detail}" if first.pointer else first.detail
    return RequestError("invalid_request", message, details={"errors": [fault._asdict() for fault in faults]})


def unix_ms(at: datetime) -> int:
    """A moment in Unix milliseconds."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def read_idempotency_key(sent: str | None) -> str | None:
    """The key of the Idempotency-Key header, quoted as the draft has it or plain as most clients send it."""
    if sent is None:
        return None
    key = sent.strip()
    if len(key) >= 2 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARS_MAX or not (key.isascii() and key.isprintable()):
        raise RequestError(
            "invalid_request",
            f"an idempotency key has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters",
        )
    return key


def read_page(query: Mapping[str, str], dialect: Dialect, words: PageWords = NATIVE_PAGE) -> Page:
    """The page a list call asks for; `phase` is a word of the dialect. RequestError for anything it does not know.

    A cursor that names a job is left to the caller: `before` is then None.
    """
    for name in query:
        if name not in (*words.query.values(), *words.ignored) and not _is_credential(name, dialect):
            raise refuse_faults([Fault(f"/{name}", f"unknown field; there are {', '.join(words.query.values())}")])
    sent = {ours: query[theirs] for ours, theirs in words.query.items() if theirs in query}
    return Page(
        kind=None if "kind" not in sent else read_kind(dialect, sent["kind"]),
        queue=sent.get("queue"),
        phases=read_phases(sent.get("phase"), dialect, name=words.query.get("phase", "phase")),
        tag=sent.get("tag"),
        created_after=_read_time("created_after", sent, words),
        created_before=_read_time("created_before", sent, words),
        before=None if words.cursor == "id" else read_cursor(sent.get("cursor")),
        start=_read_start(sent.get("start"), words),
        limit=_read_limit(sent.get("limit"), words),
    )


def read_kind(dialect: Dialect, word: str) -> str:
    """The kind that a dialect's word names, or the word itself where it has none."""
    return next((kind for kind, said in (dialect.kinds or {}).items() if said == word), word)


def _is_credential(name: str, dialect: Dialect) -> bool:
    return any(carrier.place == "query" and carrier.name == name for carrier in dialect.credentials)


def read_phases(word: str | None, dialect: Dialect, *, name: str) -> frozenset[Phase] | None:
    """The phases a word of the dialect stands for; RequestError naming the field for one it does not have."""
    if word is None:
        return None
    phases = frozenset(phase for phase, said in dialect.phases.items() if said == word)
    if not phases:
        words = ", ".join(dict.fromkeys(dialect.phases.values()))
        raise refuse_faults([Fault(f"/{name}", f"no {name} is called {word!r}; there are {words}")])
    return phases


def _read_time(name: str, sent: Mapping[str, str], words: PageWords) -> int | None:
    if name not in sent:
        return None
    try:
        return unix_ms(msgspec.convert(sent[name], Time))
    except (msgspec.ValidationError, OverflowError, ValueError):
        raise refuse_faults([Fault(f"/{words.query[name]}", "not a time; write 2031-03-04T05:06:07Z")]) from None


def _read_start(text: str | None, words: PageWords) -> int | None:
    if "start" not in words.query:
        return None
    sent = "0" if text is None else text
    if sent.isascii() and sent.isdecimal() and len(sent) <= len(str(START_MAX)) and int(sent) <= START_MAX:
        return int(sent)
    raise refuse_faults([Fault(f"/{words.query['start']}", f"a whole number from 0 to {START_MAX}, not {sent!r}")])


def _read_limit(text: str | None, words: PageWords) -> int:
    if text is None:
        return PAGE_DEFAULT
    if text.isascii() and text.isdecimal() and len(text) <= 4:
        limit = int(text)
        if words.caps_limit:
            return min(limit, PAGE_MAX) or PAGE_DEFAULT
        if 1 <= limit <= PAGE_MAX:
            return limit
    raise refuse_faults([Fault(f"/{words.query['limit']}", f"a page holds 1 to {PAGE_MAX} jobs, not {text!r}")])


def write_cursor(number: int) -> str:
    """The opaque cursor that continues below this job number."""
    return base64.urlsafe_b64encode(b"n%d" % number).decode().rstrip("=")


def read_cursor(text: str | None) -> int | None:
    """The job number a cursor continues below; RequestError for what write_cursor never wrote."""
    if text is None:
        return None
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    name = read_name("number", plain.removeprefix("n")) if plain.startswith("n") else None
    if name is None:
        raise refuse_faults([Fault("/cursor", "not a cursor of this list; send next_cursor as it was given")])
    return name.number
