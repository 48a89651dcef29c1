"""Translation engines behind HTTP, and the chain an operator configures. Read apertium.py for the local one."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from jobwire.domain.errors import JobError
from jobwire.systems.rentix.apertium import ApertiumTranslator

Quality = Literal["machine", "draft"]

ANSWER_BYTES_MAX = 1024 * 1024
DEADLINE_MS = 30_000
RETRY_AFTER_MS_MAX = 60 * 60 * 1000

_RETRYABLE_STATUSES = frozenset({408, 425, 429, *range(500, 600)})
_REFUSALS = {
    400: "does not take this text or pair of languages",
    401: "refused the configured key",
    403: "refused the configured key",
    413: "finds the text too long",
    456: "has used up its quota",
}

_DEEPL_TARGETS = {"ro": "RO", "ru": "RU", "en": "EN-GB"}
_SOURCES = frozenset({"ro", "ru", "en", "uk"})

AnswerType = TypeVar("AnswerType")


class Response(Protocol):
    """What a Requester brings back: status, headers and the whole body."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class Requester(Protocol):
    """Sends one HTTP request within its limits; raises JobError when no answer came."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        body_bytes_max: int,
        deadline_ms: int,
    ) -> Awaitable[Response]: ...


class Translator(Protocol):
    """An engine: `quality` is what its texts are labelled with.

    `route` names the languages a text passes through, ends included, or None when the engine cannot lead from
    `source` to `target`. `translate` raises JobError, retryable when the engine may answer later.
    """

    @property
    def name(self) -> str: ...
    @property
    def quality(self) -> Quality: ...
    def route(self, source: str, target: str) -> tuple[str, ...] | None: ...
    async def translate(self, text: str, source: str, target: str) -> str: ...


@dataclass(frozen=True, slots=True)
class TranslationSettings:
    """What an operator may configure; `apertium`: "auto" uses it where installed, "on" insists, "off" never."""

    libretranslate_url: str | None = None
    libretranslate_key: str | None = field(default=None, repr=False)
    deepl_url: str | None = None
    deepl_key: str | None = field(default=None, repr=False)
    apertium: Literal["auto", "on", "off"] = "auto"


def build_translators(settings: TranslationSettings, requester: Requester) -> tuple[Translator, ...]:
    """Build the chain in order of trust: LibreTranslate, DeepL, Apertium; ValueError for impossible settings."""
    chain: list[Translator] = []
    if settings.libretranslate_url:
        url = _require_http_url("libretranslate_url", settings.libretranslate_url)
        chain.append(LibreTranslateTranslator(url, settings.libretranslate_key, requester))
    if settings.deepl_url or settings.deepl_key:
        if not (settings.deepl_url and settings.deepl_key):
            raise ValueError("deepl_url and deepl_key only work together; set both or neither")
        chain.append(
            DeepLTranslator(_require_http_url("deepl_url", settings.deepl_url), settings.deepl_key, requester)
        )
    if settings.apertium != "off":
        apertium = ApertiumTranslator()
        if settings.apertium == "on" and not apertium.installed:
            raise ValueError(
                "apertium is 'on' but not installed; install apertium, apertium-eng-spa and apertium-es-ro "
                "or set it to 'auto'"
            )
        if apertium.installed:
            chain.append(apertium)
    return tuple(chain)


class _LibreTranslateAnswer(msgspec.Struct, frozen=True):
    translated_text: str = msgspec.field(name="translatedText")


class _DeepLText(msgspec.Struct, frozen=True):
    text: str


class _DeepLAnswer(msgspec.Struct, frozen=True):
    translations: tuple[_DeepLText]


@dataclass(frozen=True, slots=True)
class LibreTranslateTranslator:
    """An engine of LibreTranslate's shape: POST {url}/translate; which pairs it has, its answers tell."""

    url: str
    key: str | None = field(repr=False)
    requester: Requester
    name: str = "libretranslate"
    quality: Quality = "machine"

    def route(self, source: str, target: str) -> tuple[str, ...] | None:
        return _direct_route(source, target)

    async def translate(self, text: str, source: str, target: str) -> str:
        payload = {"q": text, "source": source, "target": target, "format": "text"}
        if self.key:
            payload["api_key"] = self.key
        answer = await _post_json(
            self.requester,
            f"{self.url}/translate",
            engine=self.name,
            headers={},
            payload=payload,
            answer_type=_LibreTranslateAnswer,
        )
        return answer.translated_text


@dataclass(frozen=True, slots=True)
class DeepLTranslator:
    """An engine of DeepL's shape: POST {url}/v2/translate with a DeepL-Auth-Key."""

    url: str
    key: str = field(repr=False)
    requester: Requester
    name: str = "deepl"
    quality: Quality = "machine"

    def route(self, source: str, target: str) -> tuple[str, ...] | None:
        return _direct_route(source, target)

    async def translate(self, text: str, source: str, target: str) -> str:
        answer = await _post_json(
            self.requester,
            f"{self.url}/v2/translate",
            engine=self.name,
            headers={"Authorization": f"DeepL-Auth-Key {self.key}"},
            payload={
                "text": [text],
                "source_lang": source.upper(),
                "target_lang": _DEEPL_TARGETS[target],
                "preserve_formatting": True,
            },
            answer_type=_DeepLAnswer,
        )
        return answer.translations[0].text


def _direct_route(source: str, target: str) -> tuple[str, ...] | None:
    return (source, target) if source in _SOURCES and target in _DEEPL_TARGETS and source != target else None


async def _post_json(
    requester: Requester,
    url: str,
    *,
    engine: str,
    headers: Mapping[str, str],
    payload: Mapping[str, object],
    answer_type: type[AnswerType],
) -> AnswerType:
    try:
        response = await requester.request(
            "POST",
            url,
            headers={"Content-Type": "application/json", "Accept": "application/json", **headers},
            body=msgspec.json.encode(payload),
            body_bytes_max=ANSWER_BYTES_MAX,
            deadline_ms=DEADLINE_MS,
        )
    except JobError as error:
        # Its message may name the operator's host; the listing's customer needs only the engine.
        raise JobError(
            "translation_engine_unreachable",
            f"{engine} gave no answer",
            retryable=error.retryable,
            retry_after_ms=error.retry_after_ms,
        ) from error
    if response.status != 200:
        raise _explain_status(engine, response)
    try:
        return msgspec.json.decode(response.body, type=answer_type)
    except msgspec.MsgspecError as error:
        raise JobError("translation_answer_invalid", f"{engine} answered in an unknown form") from error


def _explain_status(engine: str, response: Response) -> JobError:
    status = response.status
    if status in _RETRYABLE_STATUSES:
        return JobError(
            "translation_engine_busy",
            f"{engine} answered with status {status}",
            retryable=True,
            retry_after_ms=_read_retry_after_ms(response.headers),
        )
    refusal = _REFUSALS.get(status, "refused the text")
    return JobError("translation_refused", f"{engine} {refusal} (status {status})", details={"status": status})


def _read_retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """Retry-After in milliseconds, at most RETRY_AFTER_MS_MAX; a date counts from the answer's own Date."""
    folded = {name.lower(): value.strip() for name, value in headers.items()}
    value = folded.get("retry-after", "")
    if value.isascii() and value.isdigit():
        wait_ms = int(value[:9]) * 1000
    else:
        try:
            wait = parsedate_to_datetime(value) - parsedate_to_datetime(folded.get("date", ""))
        except (TypeError, ValueError):
            return None
        wait_ms = int(wait.total_seconds() * 1000)
    return min(max(wait_ms, 0), RETRY_AFTER_MS_MAX)


def _require_http_url(setting: str, value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError(f"{setting} is {value!r}; give an http or https URL such as 'https://translate.example.org'")
    return value.rstrip("/")
