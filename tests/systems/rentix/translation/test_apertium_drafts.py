"""Apertium where it is installed, and its honest absence where it is not."""

import asyncio
import re
from pathlib import Path

import pytest

from jobwire.domain.errors import JobError
from jobwire.net.fetch import Fetcher
from jobwire.systems.rentix import apertium
from jobwire.systems.rentix.apertium import ApertiumTranslator
from jobwire.systems.rentix.protection import protect_values
from jobwire.systems.rentix.translators import TranslationSettings, build_translators

ENGINE = ApertiumTranslator()
DESCRIPTION = (
    "Apartamentul este mobilat, are o bucătărie mare și un balcon. Prețul este 450 euro pe lună. "
    "Sunați la 069 123 456 sau +373 69 123 456. Suprafața: 54,5 m², etajul 3/9.\n"
)


def draft(text: str, source: str, target: str, engine: ApertiumTranslator = ENGINE) -> str:
    return asyncio.run(engine.translate(text, source, target))


def expect_absent(engine: ApertiumTranslator) -> None:
    assert engine.route("ro", "en") is None
    assert engine.route("en", "ro") is None
    with pytest.raises(JobError, match="no way from ro to en") as caught:
        draft("Casă", "ro", "en", engine)
    assert caught.value.retryable is False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "target", "text", "words"),
    [
        ("en", "ro", "The apartment is furnished, has a big kitchen and a balcony.", "Apartamentul este mobilat"),
        ("en", "ro", "It is in the centre.", "Este în centrul."),
        ("ro", "en", "Apartament cu două camere, mobilat, lângă parc.", "Apartment with two rooms, furnished"),
        ("ro", "en", "a [b] {c} ^d$ \\e/ @f <g> & *h", "<g>"),
    ],
)
def test_romanian_and_english_are_drafted_through_spanish(source: str, target: str, text: str, words: str) -> None:
    if ENGINE.installed:
        assert ENGINE.route(source, target) == (source, "es", target)
        assert words in draft(text, source, target)
    else:
        expect_absent(ENGINE)


@pytest.mark.parametrize(
    ("source", "target"),
    [("ru", "ro"), ("ro", "ru"), ("en", "ru"), ("ru", "en"), ("uk", "ru"), ("es", "ro"), ("ro", "es"), ("ro", "ro")],
)
def test_no_other_pair_is_offered(source: str, target: str) -> None:
    assert ENGINE.route(source, target) is None


@pytest.mark.slow
def test_ten_thousand_characters_keep_every_value_and_line() -> None:
    text = (DESCRIPTION * 60)[:10_000]
    values = re.compile(r"\+373 69 123 456|54,5 m²|3/9")
    protected = protect_values(text)
    if ENGINE.installed:
        restored = protected.restore(draft(protected.masked, "ro", "en"), "en")
        assert restored is not None
        assert restored.count("\n") == text.count("\n")
        assert values.findall(restored) == values.findall(text)
    else:
        expect_absent(ENGINE)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "\n\n", "\x00\x01 Casă \x1b", "\ud7ff🏠", "no newline", "ends\n"])
def test_odd_texts_are_drafted_without_a_crash(text: str) -> None:
    if ENGINE.installed:
        assert draft(text, "en", "ro").count("\n") == text.count("\n")
    else:
        expect_absent(ENGINE)


def test_an_empty_data_directory_means_absent(tmp_path: Path) -> None:
    engine = ApertiumTranslator(tmp_path)
    assert engine.installed is False
    expect_absent(engine)


def test_absent_programs_mean_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = ApertiumTranslator()
    assert engine.installed is False
    expect_absent(engine)
    assert build_translators(TranslationSettings(), Fetcher()) == ()
    with pytest.raises(ValueError, match="apertium is 'on' but not installed; install apertium"):
        build_translators(TranslationSettings(apertium="on"), Fetcher())


PROGRAMS = {stage.split()[0] for stages in apertium._PIPELINES.values() for stage in stages}


@pytest.fixture
def install_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Install programs of Apertium's names that run a given shell script, with the data files they expect."""

    def install(script: str, **options: int) -> ApertiumTranslator:
        programs, data = tmp_path / "bin", tmp_path / "data"
        programs.mkdir()
        for name in PROGRAMS:
            program = programs / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        paths = [f"modes/{mode}.mode" for mode in ("ro-es", "spa-eng", "eng-spa")]
        pipeline = " ".join(apertium._PIPELINES["es", "ro"])
        for path in (*paths, *re.findall(r"@(\S+)", pipeline)):
            (data / path).parent.mkdir(parents=True, exist_ok=True)
            (data / path).touch()
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        return ApertiumTranslator(data, **options)

    return install


def test_every_stage_hands_its_text_to_the_next(install_script) -> None:
    engine = install_script("cat")
    assert engine.installed
    assert draft("Casă\nnouă", "en", "ro", engine) == "Casă\nnouă"


def test_a_failing_program_is_final(install_script) -> None:
    with pytest.raises(JobError) as caught:
        draft("Casă", "ro", "en", install_script("cat; exit 3"))
    assert (caught.value.code, caught.value.retryable) == ("translation_engine_failed", False)


def test_a_program_that_vanished_is_final(install_script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = install_script("cat")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(JobError, match="could not be started"):
        draft("Casă", "ro", "en", engine)


def test_a_hanging_program_is_killed_and_may_be_asked_again(install_script, tmp_path: Path) -> None:
    engine = install_script(f"echo $$ > {tmp_path}/pid; sleep 600 & wait", deadline_ms=300)
    with pytest.raises(JobError) as caught:
        draft("Casă", "ro", "en", engine)
    assert (caught.value.code, caught.value.retryable) == ("translation_engine_busy", True)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


@pytest.mark.parametrize(("size", "accepted"), [(4095, True), (4096, True), (4097, False)])
def test_a_stage_may_write_up_to_its_limit(
    install_script, monkeypatch: pytest.MonkeyPatch, size: int, accepted: bool
) -> None:
    monkeypatch.setattr(apertium, "STAGE_BYTES_MAX", 4096)
    engine = install_script(f"cat > /dev/null; head -c {size} /dev/zero | tr '\\0' x")
    if accepted:
        assert draft("Casă", "ro", "en", engine) == "x" * size
    else:
        with pytest.raises(JobError, match="more than 4096 bytes"):
            draft("Casă", "ro", "en", engine)


def test_a_program_that_does_not_read_is_no_trouble(install_script) -> None:
    assert draft("Casă " * 40_000, "ro", "en", install_script("echo done")) == "done"
