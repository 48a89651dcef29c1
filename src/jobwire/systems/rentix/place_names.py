"""How a name sounds, whatever the alphabet: one key for Chișinău's many spellings. Next: gazetteer.py."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

# Russian and Moldovan Cyrillic by sound, written so that the Latin rules below give Romanian spelling's key:
# ч is C, the sound of Romanian c before e and i; к is k; ы is î.
_CYRILLIC = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "j", "ӂ": "j", "з": "z",
        "и": "i", "й": "i", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s",
        "т": "t", "у": "u", "ф": "f", "х": "h", "ц": "t", "ч": "C", "ш": "s", "щ": "s", "ъ": "", "ы": "i",
        "ь": "", "э": "e", "ю": "iu", "я": "ia", "і": "i", "ї": "i", "є": "e", "ґ": "g", "ў": "u",
    }
)  # fmt: skip
_ROMANIAN = str.maketrans("ăâîșşțţ", "aiisstt", "'’ʹ`")
_SOUNDS = (
    (re.compile(r"sc?h"), "s"),
    (re.compile(r"zh"), "j"),
    (re.compile(r"kh"), "h"),
    (re.compile(r"t[sz]"), "t"),
    (re.compile(r"ch(?=[eiy])"), "k"),
    (re.compile(r"gh(?=[eiy])"), "g"),
    (re.compile(r"ch"), "C"),
    (re.compile(r"c(?=[eiy])"), "C"),
    (re.compile(r"[cq]"), "k"),
    (re.compile(r"y"), "i"),
    (re.compile(r"w"), "v"),
    (re.compile(r"([a-zC])\1+"), r"\1"),
)
_CYRILLIC_LETTER = re.compile(r"[\u0400-\u04ff]")
_WORD = re.compile(r"[^\W_]+(?:['’ʹ`][^\W\d_]+)*")

# Russian case endings by the last letter of the nominative; "на Ботанике", "в Кишинёве", "из Бельц".
_CONSONANT_ENDINGS = ("а", "е", "у", "ом")
_CASE_ENDINGS = {
    "ы": ("ах", "ам", ""),
    "и": ("ах", "ам"),
    "а": ("е", "у", "ы", "ой"),
    "я": ("е", "ю", "и", "ей"),
    "ь": ("я", "е", "ю", "ем"),
    "е": (),
    "о": (),
    "э": (),
    "й": (),
}


@lru_cache(maxsize=8192)
def sound_of(word: str) -> str:
    """The key of one word: equal for spellings that sound alike in Romanian, Russian and English writing."""
    key = word.casefold().translate(_CYRILLIC).translate(_ROMANIAN)
    key = "".join(c for c in unicodedata.normalize("NFD", key) if not unicodedata.combining(c))
    for pattern, sound in _SOUNDS:
        key = pattern.sub(sound, key)
    return key


def sounds_of(name: str) -> tuple[str, ...]:
    """The keys of a name's words; hyphens separate words."""
    return tuple(filter(None, (sound_of(word) for word in _WORD.findall(name))))


def spell_cases(name: str) -> Iterator[str]:
    """The name itself and, for a Russian one, its other cases (last word only)."""
    yield name
    if len(name) < 4 or not _CYRILLIC_LETTER.search(name):
        return
    last = name[-1].lower()
    endings = _CASE_ENDINGS.get(last)
    stem = name if endings is None else name[:-1]
    for ending in _CONSONANT_ENDINGS if endings is None else endings:
        yield stem + ending
