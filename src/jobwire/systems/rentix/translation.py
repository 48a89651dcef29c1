"""Give a listing's description in Romanian, Russian and English: the original, translations, and a fact sentence.

What no engine can translate is recorded as unavailable with its reason; a text is never passed off as something
it is not. Read language.py, protection.py, translators.py and facts.py for the four parts.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from jobwire.domain.errors import JobError
from jobwire.systems.rentix.facts import ListingFacts, PlaceNames, name_in, render_fact_sentences
from jobwire.systems.rentix.language import LANGUAGES, Language, SourceLanguage, detect_language
from jobwire.systems.rentix.protection import ProtectedText, protect_values
from jobwire.systems.rentix.translators import Translator

TEXT_CHARACTERS_MAX = 20_000


class TranslationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A description of at most TEXT_CHARACTERS_MAX characters, the listing's attributes, and names to keep.

    The place and sector of `attributes` are kept as well. A name given by language appears in a translation in
    that language's form.
    """

    text: str | None
    attributes: ListingFacts
    names: tuple[PlaceNames, ...] = ()


class TextVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The description in one language, or why there is none; `route` names the languages passed: "ro-es-en"."""

    status: Literal["original", "translated", "unavailable"]
    text: str | None = None
    engine: str | None = None
    quality: Literal["human", "machine", "draft"] | None = None
    route: str | None = None
    reason: str | None = None


class TranslationResult(msgspec.Struct, frozen=True, kw_only=True):
    """`texts` holds ro, ru and en, and uk when that is the source; `facts` always holds ro, ru and en."""

    source_language: SourceLanguage
    confidence: float
    texts: dict[str, TextVersion]
    facts: dict[Language, str]


async def translate_description(request: TranslationRequest, translators: Sequence[Translator]) -> TranslationResult:
    """Give the description in every language some translator leads to, asking them in order.

    Raises JobError `description_too_long`, or `translation_unavailable` (retryable) when an engine failed for now
    and no later one answered; an engine's final refusal leaves that language unavailable.
    """
    text = (request.text or "").encode(errors="replace").decode()
    if len(text) > TEXT_CHARACTERS_MAX:
        raise JobError(
            "description_too_long",
            f"the description has {len(text)} characters; shorten it to {TEXT_CHARACTERS_MAX}",
            details={"characters": len(text), "characters_max": TEXT_CHARACTERS_MAX},
        )
    protected = protect_values(text, _collect_names(request))
    # In a thread: the first detection loads the model for 0.8 s.
    source, confidence = await asyncio.to_thread(detect_language, protected.prose)
    texts: dict[str, TextVersion] = {}
    if source == "und":
        missing = "the language of the description could not be determined"
        reason = missing if text.strip() else "the listing has no description"
        texts = dict.fromkeys(LANGUAGES, TextVersion(status="unavailable", reason=reason))
    else:
        texts[source] = TextVersion(status="original", text=text, quality="human")
        for target in LANGUAGES:
            if target != source:
                texts[target] = await _translate_to(target, protected, source=source, translators=translators)
    return TranslationResult(
        source_language=source,
        confidence=confidence,
        texts=texts,
        facts=render_fact_sentences(request.attributes),
    )


async def _translate_to(
    target: Language, protected: ProtectedText, *, source: str, translators: Sequence[Translator]
) -> TextVersion:
    reason = f"no engine for {source}->{target}"
    postponed: JobError | None = None
    for translator in translators:
        route = translator.route(source, target)
        if route is None:
            continue
        try:
            answer = await translator.translate(protected.masked, source, target)
        except JobError as error:
            reason = error.message
            postponed = postponed or (error if error.retryable else None)
            continue
        restored = protected.restore(answer, target)
        if restored is None:
            reason = "protected values were lost"
        elif answer.strip() in {"", protected.masked.strip()}:
            reason = f"{translator.name} returned the text untranslated"
        else:
            return TextVersion(
                status="translated",
                text=restored,
                engine=translator.name,
                quality=translator.quality,
                route="-".join(route),
            )
    if postponed is not None:
        raise JobError(
            "translation_unavailable",
            f"the description could not be translated from {source} to {target} for now: {postponed.message}",
            retryable=True,
            details={"source": source, "target": target},
            retry_after_ms=postponed.retry_after_ms,
        ) from postponed
    return TextVersion(status="unavailable", reason=reason)


def _collect_names(request: TranslationRequest) -> Iterator[Mapping[str, str]]:
    """Each name with a form for every language, and the spellings it was given in besides."""
    for names in (request.attributes.place, request.attributes.sector, *request.names):
        if names:
            given = {} if isinstance(names, str) else names
            yield {**given, **{language: name_in(names, language) for language in LANGUAGES}}
