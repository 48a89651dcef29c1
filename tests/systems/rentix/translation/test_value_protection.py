"""Values survive an engine that keeps placeholders, and one that does not is found out."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobwire.systems.rentix.protection import protect_values

PHONES = ["+373 69 123 456", "069 123 456", "069-12-34-56", "(022) 12-34-56", "+37369123456", "022 123456"]
VALUES = [
    *PHONES,
    "450",
    "1 250",
    "12.500,50",
    "54 m²",
    "54m2",
    "38,5 м²",
    "€450",
    "€ 1,250",
    "450 EUR",
    "7000 MDL",
    "10%",
    "12.05.2031",
    "18:00",
    "3/9",
    "10-15",
    "https://rentix.md/a?b=1&c=2",
    "www.example.com",
    "rentix.md/x",
    "agent@example.md",
    "@agent_imobil",
]
pieces = st.one_of(st.text(max_size=20), st.sampled_from(VALUES), st.integers(0, 10**12).map(str))
texts = st.lists(pieces, max_size=12).map(" ".join)


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_replaced_whole(value: str) -> None:
    protected = protect_values(f"Preț sau contact: {value} acum")
    assert protected.values == (value,)
    assert protected.masked == "Preț sau contact: ZQ0Z acum"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("apartament cu 2 camere", "apartament cu 2 camere"),
        ("2-комнатная квартира", "2-комнатная квартира"),
        ("54 mp, 6 ari", "ZQ0Z mp, ZQ1Z ari"),
        ("54 кв.м за 90 лей", "ZQ0Z кв.м за ZQ1Z лей"),
        ("450 euro", "ZQ0Z euro"),
        ("Sunați: 069 123 456.", "Sunați: ZQ0Z."),
        ("vezi https://a.md/x.", "vezi ZQ0Z."),
        ("etaj.Bloc nou", "etaj.Bloc nou"),
        ("", ""),
    ],
)
def test_words_around_values_stay_with_the_engine(text: str, masked: str) -> None:
    assert protect_values(text).masked == masked


@given(texts)
def test_an_engine_that_keeps_placeholders_gives_every_text_back(text: str) -> None:
    protected = protect_values(text)
    assert protected.restore(protected.masked, "en") == text


@given(texts, st.data())
def test_an_engine_that_drops_doubles_or_invents_a_placeholder_is_refused(text: str, data: st.DataObject) -> None:
    protected = protect_values(text)
    assume(protected.values)
    tokens = [match[0] for match in protected.placeholder.finditer(protected.masked)]
    token = data.draw(st.sampled_from(tokens))
    invented = token.replace(re.findall(r"\d+", token)[0], str(len(tokens)))
    assert protected.restore(protected.placeholder.sub("", protected.masked, count=1), "en") is None
    assert protected.restore(f"{protected.masked} {token}", "en") is None
    assert protected.restore(f"{protected.masked} {invented}", "en") is None


@given(st.lists(st.sampled_from(VALUES), min_size=1, max_size=8))
def test_an_engine_may_move_placeholders_and_change_their_case(values: list[str]) -> None:
    protected = protect_values("; ".join(values))
    tokens = [match[0] for match in protected.placeholder.finditer(protected.masked)]
    restored = protected.restore(" și ".join(reversed(tokens)).lower(), "en")
    assert restored is not None
    assert sorted(restored.split(" și ")) == sorted(protected.values)


@given(st.text(alphabet="zqxjwZQXJW0123456789 ", max_size=60))
def test_a_text_full_of_would_be_placeholders_is_no_trap(text: str) -> None:
    protected = protect_values(f"{text} 069 123 456 {text}")
    assert "069 123 456" not in protected.masked
    assert protected.restore(protected.masked, "ro") == f"{text} 069 123 456 {text}"


@pytest.mark.parametrize(
    ("answer", "restored"),
    [
        ("flat with 2 rooms, floor 3, price ZQ0Z", "flat with 2 rooms, floor 3, price 450"),
        ("flat with two rooms, floor 3, price ZQ0Z", "flat with two rooms, floor 3, price 450"),
        ("1st choice: flat with 2 rooms, floor 3, ZQ0Z", "1st choice: flat with 2 rooms, floor 3, 450"),
        ("flat with 4 rooms, floor 3, price ZQ0Z", None),
        ("flat with 2 rooms, floor 31, price ZQ0Z", None),
    ],
)
def test_a_short_number_may_be_spelled_out_but_not_become_another(answer: str, restored: str | None) -> None:
    assert protect_values("2 camere, etajul 3, 450").restore(answer, "en") == restored


NAMES = ({"ro": "Chișinău", "ru": "Кишинёв", "en": "Chișinău"}, {"ro": "Centru", "ru": "Центр", "en": "Centru"})


@pytest.mark.parametrize("spelling", ["Chișinău", "Chisinau", "CHIȘINĂU", "Кишинёв", "Кишинев"])
def test_a_name_is_known_in_every_spelling_and_takes_the_form_of_the_target(spelling: str) -> None:
    protected = protect_values(f"Casa: {spelling}, nou", NAMES)
    assert protected.masked == "Casa: ZQ0Z, nou"
    assert protected.restore("Дом: ZQ0Z, новый", "ru") == "Дом: Кишинёв, новый"
    assert protected.restore("House: ZQ0Z, new", "en") == "House: Chișinău, new"


@pytest.mark.parametrize("text", ["este în centru", "Chișinăului", "Centrul vechi"])
def test_a_common_word_or_a_longer_word_is_not_the_name(text: str) -> None:
    assert protect_values(text, NAMES).masked == text


@given(texts, st.text(max_size=10))
def test_any_name_is_survived(text: str, name: str) -> None:
    protected = protect_values(f"{text} {name}", [{"ro": name}])
    assert protected.restore(protected.masked, "en") == f"{text} {name}"


@pytest.mark.parametrize("unit", ["1(", "a.", "a@", "1 ", "1-", "1.", "@", "www.", "ZQ", "+1 ("])
def test_ten_thousand_hostile_characters_are_no_trouble(unit: str) -> None:
    text = (unit * 10_000)[:10_000]
    protected = protect_values(text, NAMES)
    assert protected.restore(protected.masked, "ru") == text
