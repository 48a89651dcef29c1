"""The HTTP engines against real servers of their shape: what is sent, what is read, what each failure means."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web

from jobwire.domain.errors import JobError
from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.systems.rentix.apertium import ApertiumTranslator
from jobwire.systems.rentix.translators import (
    ANSWER_BYTES_MAX,
    RETRY_AFTER_MS_MAX,
    DeepLTranslator,
    LibreTranslateTranslator,
    TranslationSettings,
    Translator,
    build_translators,
)

EngineServer = Callable[[Any], AbstractAsyncContextManager[str]]
LOOPBACK = FetchPolicy(allow=(ip_network("127.0.0.0/8"),), deadline_ms=10_000)


@asynccontextmanager
async def open_translator(shape: str, url: str, policy: FetchPolicy = LOOPBACK) -> AsyncIterator[Translator]:
    async with Fetcher(policy) as fetcher:
        if shape == "deepl":
            yield DeepLTranslator(url, "secret", fetcher)
        else:
            yield LibreTranslateTranslator(url, "secret", fetcher)


def fail_to_translate(
    engine_server: EngineServer, response: Callable[[], web.Response], shape: str = "libretranslate"
) -> JobError:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return response()

    async def scenario() -> JobError:
        async with engine_server(answer) as url, open_translator(shape, url) as translator:
            with pytest.raises(JobError) as caught:
                await translator.translate("Casă nouă", "ro", "en")
            return caught.value

    return asyncio.run(scenario())


def test_libretranslate_is_asked_in_its_own_words(engine_server: EngineServer) -> None:
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, request.content_type, await request.json()))
        return web.json_response({"translatedText": "New house"})

    async def scenario() -> str:
        async with engine_server(answer) as url, open_translator("libretranslate", url) as translator:
            return await translator.translate("Casă nouă", "ro", "en")

    assert asyncio.run(scenario()) == "New house"
    payload = {"q": "Casă nouă", "source": "ro", "target": "en", "format": "text", "api_key": "secret"}
    assert seen == [("POST", "/translate", "application/json", payload)]


@pytest.mark.parametrize(("target", "code"), [("en", "EN-GB"), ("ru", "RU")])
def test_deepl_is_asked_in_its_own_words(engine_server: EngineServer, target: str, code: str) -> None:
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, request.headers["Authorization"], await request.json()))
        return web.json_response({"translations": [{"detected_source_language": "RO", "text": "answer"}]})

    async def scenario() -> str:
        async with engine_server(answer) as url, open_translator("deepl", url) as translator:
            return await translator.translate("Casă nouă", "ro", target)

    assert asyncio.run(scenario()) == "answer"
    payload = {"text": ["Casă nouă"], "source_lang": "RO", "target_lang": code, "preserve_formatting": True}
    assert seen == [("POST", "/v2/translate", "DeepL-Auth-Key secret", payload)]


@pytest.mark.parametrize("shape", ["libretranslate", "deepl"])
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_a_busy_engine_may_be_asked_again(engine_server: EngineServer, shape: str, status: int) -> None:
    error = fail_to_translate(engine_server, lambda: web.Response(status=status), shape)
    assert (error.code, error.retryable, error.retry_after_ms) == ("translation_engine_busy", True, None)
    assert error.message == f"{shape} answered with status {status}"


@pytest.mark.parametrize("shape", ["libretranslate", "deepl"])
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "does not take this text or pair of languages"),
        (401, "refused the configured key"),
        (403, "refused the configured key"),
        (404, "refused the text"),
        (413, "finds the text too long"),
        (456, "has used up its quota"),
        (302, "refused the text"),
        (204, "refused the text"),
    ],
)
def test_a_refusal_is_final_and_does_not_tell_the_key(
    engine_server: EngineServer, shape: str, status: int, words: str
) -> None:
    error = fail_to_translate(engine_server, lambda: web.Response(status=status), shape)
    assert (error.code, error.retryable) == ("translation_refused", False)
    assert error.message == f"{shape} {words} (status {status})"
    assert error.details == {"status": status}


@pytest.mark.parametrize(
    ("headers", "retry_after_ms"),
    [
        ({"Retry-After": "7"}, 7_000),
        ({"retry-after": "0"}, 0),
        ({"Retry-After": "3600"}, RETRY_AFTER_MS_MAX),
        ({"Retry-After": "3601"}, RETRY_AFTER_MS_MAX),
        ({"Retry-After": "9" * 40}, RETRY_AFTER_MS_MAX),
        ({"Date": "Tue, 04 Mar 2031 05:06:00 GMT", "Retry-After": "Tue, 04 Mar 2031 05:06:30 GMT"}, 30_000),
        ({"Date": "Tue, 04 Mar 2031 05:06:00 GMT", "Retry-After": "Tue, 04 Mar 2031 05:05:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_honoured_up_to_an_hour(
    engine_server: EngineServer, headers: dict[str, str], retry_after_ms: int | None
) -> None:
    error = fail_to_translate(engine_server, lambda: web.Response(status=429, headers=headers))
    assert (error.retryable, error.retry_after_ms) == (True, retry_after_ms)


@pytest.mark.parametrize("shape", ["libretranslate", "deepl"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>login</html>", b"{}", b"[]", b'{"translatedText": 5}', b'{"translations": []}', b'"\xff"']
)
def test_an_answer_of_another_form_is_final(engine_server: EngineServer, shape: str, body: bytes) -> None:
    error = fail_to_translate(engine_server, lambda: web.Response(body=body), shape)
    assert (error.code, error.retryable) == ("translation_answer_invalid", False)


@pytest.mark.parametrize(("excess", "accepted"), [(0, True), (1, False)])
def test_an_answer_is_read_up_to_its_limit(engine_server: EngineServer, excess: int, accepted: bool) -> None:
    frame = len(b'{"translatedText": ""}')
    body = b'{"translatedText": "%s"}' % (b"x" * (ANSWER_BYTES_MAX - frame + excess))

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async def scenario() -> int:
        async with engine_server(answer) as url, open_translator("libretranslate", url) as translator:
            return len(await translator.translate("Casă", "ro", "en"))

    if accepted:
        assert asyncio.run(scenario()) == ANSWER_BYTES_MAX - frame
    else:
        with pytest.raises(JobError, match="libretranslate gave no answer") as caught:
            asyncio.run(scenario())
        assert caught.value.retryable is False


def test_an_engine_that_never_answers_may_be_asked_again(engine_server: EngineServer) -> None:
    async def scenario() -> JobError:
        released = asyncio.Event()

        async def answer(request: web.Request) -> web.Response:
            await released.wait()
            return web.Response()

        hasty = FetchPolicy(allow=LOOPBACK.allow, deadline_ms=50)
        async with engine_server(answer) as url, open_translator("deepl", url, hasty) as translator:
            with pytest.raises(JobError) as caught:
                await translator.translate("Casă", "ro", "en")
            released.set()
            return caught.value

    error = asyncio.run(scenario())
    assert (error.code, error.retryable) == ("translation_engine_unreachable", True)


def test_an_engine_that_is_down_may_be_asked_again_and_its_host_is_not_told() -> None:
    async def scenario() -> JobError:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
            async with open_translator("libretranslate", url) as translator:
                with pytest.raises(JobError) as caught:
                    await translator.translate("Casă", "ro", "en")
                return caught.value

    error = asyncio.run(scenario())
    assert (error.retryable, error.message) == (True, "libretranslate gave no answer")


@pytest.mark.parametrize(
    ("source", "target", "route"),
    [
        ("ro", "en", ("ro", "en")),
        ("uk", "ru", ("uk", "ru")),
        ("ro", "ro", None),
        ("und", "en", None),
        ("ro", "uk", None),
        ("ro", "fr", None),
    ],
)
def test_http_engines_lead_straight_to_the_three_languages(
    source: str, target: str, route: tuple[str, ...] | None
) -> None:
    fetcher = Fetcher(LOOPBACK)
    assert LibreTranslateTranslator("http://a", None, fetcher).route(source, target) == route
    assert DeepLTranslator("http://a", "k", fetcher).route(source, target) == route


def test_the_chain_follows_the_order_of_trust() -> None:
    settings = TranslationSettings(libretranslate_url="http://a/", deepl_url="https://b/", deepl_key="k")
    chain = build_translators(settings, Fetcher(LOOPBACK))
    local = ["apertium"] if ApertiumTranslator().installed else []
    assert [translator.name for translator in chain] == ["libretranslate", "deepl", *local]
    assert [translator.quality for translator in chain] == ["machine", "machine", *(["draft"] if local else [])]
    assert isinstance(chain[0], LibreTranslateTranslator)
    assert chain[0].url == "http://a"


def test_nothing_configured_is_an_empty_chain() -> None:
    assert build_translators(TranslationSettings(apertium="off"), Fetcher(LOOPBACK)) == ()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (TranslationSettings(deepl_key="k"), "deepl_url and deepl_key only work together"),
        (TranslationSettings(deepl_url="https://b"), "deepl_url and deepl_key only work together"),
        (TranslationSettings(libretranslate_url="ftp://a"), "libretranslate_url is 'ftp://a'; give an http"),
        (TranslationSettings(deepl_url="b", deepl_key="k"), "deepl_url is 'b'; give an http"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_fix(settings: TranslationSettings, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build_translators(settings, Fetcher(LOOPBACK))


def test_keys_are_not_in_any_repr() -> None:
    settings = TranslationSettings(
        libretranslate_url="http://a", libretranslate_key="hidden", deepl_url="https://b", deepl_key="hidden"
    )
    assert "hidden" not in repr(settings)
    assert "hidden" not in repr(build_translators(settings, Fetcher(LOOPBACK)))
