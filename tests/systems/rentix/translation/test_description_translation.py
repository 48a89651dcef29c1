"""A description in three languages through real engines on loopback, and what is recorded when one cannot."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.errors import JobError
from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.systems.rentix.apertium import ApertiumTranslator
from jobwire.systems.rentix.facts import ListingFacts
from jobwire.systems.rentix.translation import (
    TEXT_CHARACTERS_MAX,
    TextVersion,
    TranslationRequest,
    TranslationResult,
    translate_description,
)
from jobwire.systems.rentix.translators import TranslationSettings, Translator, build_translators

EngineServer = Callable[[Any], AbstractAsyncContextManager[str]]
LOOPBACK = FetchPolicy(allow=(ip_network("127.0.0.0/8"),))
FACTS = ListingFacts(
    announcement_type="rent",
    property_type="residential",
    property_secondary_type="apartment",
    rooms=2,
    place={"ro": "Chișinău", "ru": "Кишинёв", "en": "Chișinău"},
    sector={"ro": "Botanica", "ru": "Ботаника"},
)
ROMANIAN = (
    "Apartament cu două camere în Chișinău, Botanica, 54 m², la preț de 450 euro. Sunați: 069 123 456. "
    "Este mobilat și are un balcon."
)
RUSSIAN = "Сдаётся двухкомнатная квартира с мебелью, рядом парк. Звоните +373 69 123 456."


@dataclass
class TaggingTranslator:
    """Wraps the text it was given in marks that show the way, as nothing else may vouch for an engine here."""

    pairs: frozenset[tuple[str, str]]
    name: str = "tagging"
    quality: str = "machine"
    rewrite: Callable[[str], str] = str
    error: JobError | None = None
    asked: list[str] = field(default_factory=list)

    def route(self, source: str, target: str) -> tuple[str, ...] | None:
        return (source, target) if (source, target) in self.pairs else None

    async def translate(self, text: str, source: str, target: str) -> str:
        self.asked.append(text)
        if self.error:
            raise self.error
        return self.rewrite(f"<{source}|{text}|{target}>")


ALL_PAIRS = frozenset((source, target) for source in ("ro", "ru", "en", "uk") for target in ("ro", "ru", "en"))
BUSY = JobError("translation_engine_busy", "engine is busy", retryable=True, retry_after_ms=7_000)
REFUSAL = JobError("translation_refused", "engine refuses")


def translate(
    text: str | None, *translators: Translator, facts: ListingFacts = FACTS, names: Sequence[Any] = ()
) -> TranslationResult:
    request = TranslationRequest(text=text, attributes=facts, names=tuple(names))
    return asyncio.run(translate_description(request, translators))


@pytest.mark.slow
def test_a_libretranslate_server_translates_for_real_where_apertium_is_installed(engine_server: EngineServer) -> None:
    local = ApertiumTranslator()

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["target"] == "ru":
            return web.json_response({"error": "ru is not supported"}, status=400)
        if local.installed:
            text = await local.translate(asked["q"], asked["source"], asked["target"])
        else:
            text = f"[{asked['source']} to {asked['target']}] {asked['q']}"
        return web.json_response({"translatedText": text})

    async def scenario() -> TranslationResult:
        async with engine_server(answer) as url, Fetcher(LOOPBACK) as fetcher:
            chain = build_translators(TranslationSettings(libretranslate_url=url, apertium="off"), fetcher)
            return await translate_description(TranslationRequest(text=ROMANIAN, attributes=FACTS), chain)

    result = asyncio.run(scenario())
    assert result.source_language == "ro"
    assert result.texts["ro"] == TextVersion(status="original", text=ROMANIAN, quality="human")
    english = result.texts["en"]
    assert (english.status, english.engine, english.quality) == ("translated", "libretranslate", "machine")
    assert english.route == "ro-en"
    assert english.text is not None
    assert all(value in english.text for value in ("Chișinău", "Botanica", "54 m²", "450", "069 123 456"))
    assert ("Apartment with two rooms" if local.installed else "[ro to en] Apartament") in english.text
    reason = "libretranslate does not take this text or pair of languages (status 400)"
    assert result.texts["ru"] == TextVersion(status="unavailable", reason=reason)
    assert result.facts["ru"] == "Сдаётся квартира (Кишинёв, Ботаника), 2 комнаты."


def test_a_deepl_server_gets_the_masked_text_and_its_answer_is_restored(engine_server: EngineServer) -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        seen.extend(asked["text"])
        return web.json_response({"translations": [{"text": f"[{asked['target_lang']}] {asked['text'][0]}"}]})

    async def scenario() -> TranslationResult:
        async with engine_server(answer) as url, Fetcher(LOOPBACK) as fetcher:
            settings = TranslationSettings(deepl_url=url, deepl_key="k", apertium="off")
            request = TranslationRequest(text=RUSSIAN, attributes=FACTS)
            return await translate_description(request, build_translators(settings, fetcher))

    result = asyncio.run(scenario())
    assert seen == [RUSSIAN.replace("+373 69 123 456", "ZQ0Z")] * 2
    assert {language: version.text for language, version in result.texts.items()} == {
        "ru": RUSSIAN,
        "ro": f"[RO] {RUSSIAN}",
        "en": f"[EN-GB] {RUSSIAN}",
    }


@pytest.mark.slow
def test_what_this_machine_alone_can_do_is_a_draft_or_nothing() -> None:
    chain = build_translators(TranslationSettings(apertium="auto"), Fetcher(LOOPBACK))
    result = translate(ROMANIAN, *chain)
    english = result.texts["en"]
    if ApertiumTranslator().installed:
        assert (english.status, english.engine, english.quality) == ("translated", "apertium", "draft")
        assert english.route == "ro-es-en"
    else:
        assert english == TextVersion(status="unavailable", reason="no engine for ro->en")
    assert result.texts["ru"] == TextVersion(status="unavailable", reason="no engine for ro->ru")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "the listing has no description"),
        ("", "the listing has no description"),
        (" \n", "the listing has no description"),
        ("069 123 456", "the language of the description could not be determined"),
        ("Chișinău, Botanica 12", "the language of the description could not be determined"),
    ],
)
def test_without_a_known_language_nothing_is_asked_and_the_facts_remain(text: str | None, reason: str) -> None:
    engine = TaggingTranslator(ALL_PAIRS)
    result = translate(text, engine)
    assert (result.source_language, result.confidence, engine.asked) == ("und", 0.0, [])
    assert result.texts == dict.fromkeys(("ro", "ru", "en"), TextVersion(status="unavailable", reason=reason))
    assert result.facts["en"] == "For rent: an apartment (Chișinău, Botanica), 2 rooms."


def test_a_ukrainian_description_is_kept_and_translated_into_all_three() -> None:
    text = "Здається двокімнатна квартира з меблями біля парку."
    result = translate(text, TaggingTranslator(ALL_PAIRS))
    assert list(result.texts) == ["uk", "ro", "ru", "en"]
    assert result.texts["uk"].status == "original"
    assert result.texts["ru"].text == f"<uk|{text}|ru>"


def test_names_keep_the_form_of_each_language() -> None:
    result = translate(
        "Se vinde casă în Chisinau, complexul Zorile, lângă pădure.",
        TaggingTranslator(ALL_PAIRS),
        names=[{"ro": "Zorile", "ru": "Зориле"}],
    )
    assert result.texts["ru"].text == "<ro|Se vinde casă în Кишинёв, complexul Зориле, lângă pădure.|ru>"
    assert result.texts["en"].text == "<ro|Se vinde casă în Chișinău, complexul Zorile, lângă pădure.|en>"


def test_names_do_not_mislead_detection() -> None:
    text = "Flat for rent in Chișinău, Botanica, Complexul Locativ Curtea Veche"
    assert translate(text, names=["Complexul Locativ Curtea Veche"]).source_language == "en"


@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        (lambda text: text.replace("ZQ1Z", ""), "protected values were lost"),
        (lambda text: text + " ZQ0Z", "protected values were lost"),
        (lambda text: "", "protected values were lost"),
        (lambda text: text[4:-4], "tagging returned the text untranslated"),
    ],
)
def test_a_translation_that_cannot_be_trusted_is_not_kept(rewrite: Callable[[str], str], reason: str) -> None:
    result = translate(ROMANIAN, TaggingTranslator(ALL_PAIRS, rewrite=rewrite))
    assert result.texts["en"] == TextVersion(status="unavailable", reason=reason)
    assert result.texts["ru"] == TextVersion(status="unavailable", reason=reason)


@pytest.mark.parametrize(
    "first",
    [
        TaggingTranslator(ALL_PAIRS, error=BUSY),
        TaggingTranslator(ALL_PAIRS, error=REFUSAL),
        TaggingTranslator(ALL_PAIRS, rewrite=lambda text: ""),
        TaggingTranslator(frozenset()),
    ],
    ids=["busy", "refusing", "losing", "unable"],
)
def test_a_later_engine_answers_where_an_earlier_one_did_not(first: TaggingTranslator) -> None:
    result = translate(RUSSIAN, first, TaggingTranslator(ALL_PAIRS, name="second", quality="draft"))
    assert [(result.texts[target].engine, result.texts[target].quality) for target in ("ro", "en")] == [
        ("second", "draft")
    ] * 2


@pytest.mark.parametrize(
    "others", [(), (TaggingTranslator(frozenset()),), (TaggingTranslator(ALL_PAIRS, error=REFUSAL),)]
)
def test_an_engine_that_is_busy_for_now_postpones_the_job(others: tuple[Translator, ...]) -> None:
    with pytest.raises(JobError) as caught:
        translate(RUSSIAN, TaggingTranslator(ALL_PAIRS, error=BUSY), *others)
    error = caught.value
    assert (error.code, error.retryable, error.retry_after_ms) == ("translation_unavailable", True, 7_000)
    assert error.details == {"source": "ru", "target": "ro"}


def test_a_refusal_leaves_only_its_own_language_unavailable() -> None:
    to_english = TaggingTranslator(frozenset({("ru", "en")}))
    refusing = TaggingTranslator(frozenset({("ru", "ro")}), error=REFUSAL)
    result = translate(RUSSIAN, refusing, to_english)
    assert result.texts["ro"] == TextVersion(status="unavailable", reason="engine refuses")
    assert result.texts["en"].status == "translated"


@pytest.mark.parametrize("length", [10_000, TEXT_CHARACTERS_MAX])
def test_long_descriptions_are_translated_whole(length: int) -> None:
    text = (ROMANIAN * 200)[:length].rstrip()
    result = translate(text, TaggingTranslator(ALL_PAIRS), facts=ListingFacts())
    assert result.texts["en"].text == f"<ro|{text}|en>"


def test_a_description_over_the_limit_is_refused_with_the_fix() -> None:
    with pytest.raises(JobError, match="20001 characters; shorten it to 20000") as caught:
        translate("a" * (TEXT_CHARACTERS_MAX + 1))
    assert (caught.value.code, caught.value.retryable) == ("description_too_long", False)


def test_the_result_travels_as_json_without_empty_fields() -> None:
    result = translate("Se vinde casă nouă, lângă pădure.")
    encoded = msgspec.json.encode(result)
    assert msgspec.json.decode(encoded, type=TranslationResult) == result
    assert msgspec.json.decode(encoded)["texts"]["en"] == {"status": "unavailable", "reason": "no engine for ro->en"}


def test_half_a_character_is_replaced_so_that_the_result_can_be_stored() -> None:
    result = translate("Se vinde casă nouă, lângă pădure \ud83c", TaggingTranslator(ALL_PAIRS))
    assert result.texts["ro"].text == "Se vinde casă nouă, lângă pădure ?"
    assert msgspec.json.encode(result)


@given(st.text(max_size=400))
def test_any_description_gives_a_result_that_can_be_stored(text: str) -> None:
    result = translate(text, TaggingTranslator(ALL_PAIRS))
    assert set(result.texts) >= {"ro", "ru", "en"}
    assert msgspec.json.encode(result)
    assert all(
        version.text == f"<{result.source_language}|{text}|{language}>"
        for language, version in result.texts.items()
        if version.status == "translated"
    )
