"""In which encoding a text is read: what its mark says, what its declaration says, UTF-8, or a guess."""

import pytest
from tool_runs import refuse, run_text

from jobwire.systems.apidatatools.tools.encoding import DECLARATION_BYTES_MAX

STREET = "Улица Ленина, дом двадцать пять, квартира сорок один; во дворе направо"


@pytest.mark.parametrize(
    "encoding", ["iso-8859-5", "windows-1251", "koi8-r", "utf-8", "ISO-8859-1", "Shift_JIS", "euc-kr"]
)
def test_the_declaration_of_xml_says_how_it_is_read(encoding):
    text = {"iso-8859-1": "é", "shift_jis": "日本", "euc-kr": "한국"}.get(encoding.lower(), STREET)
    data = f"<?xml version='1.0' encoding='{encoding}'?>\n<a>{text}</a>".encode(encoding)
    assert f"<a>{text}</a>" in run_text("xml-validator", data)
    assert run_text("xml-to-json", data, x_tab_space="1") == f'{{\n "a": "{text}"\n}}'


@pytest.mark.parametrize("named", ["utf-16", "rot13", "base64", "utf-7", "unicode_escape", "iso-8859-99", "x" * 99])
def test_a_declaration_that_cannot_be_true_is_refused_at_its_place(named):
    error = refuse("xml-validator", f'<?xml version="1.0"\n encoding="{named}"?><a/>')
    assert (error.code, error.line, error.column) == ("INVALID_ENCODING", 2, 12)


def test_xml_with_a_declaration_but_no_encoding_is_utf8():
    error = refuse("xml-validator", b"<?xml version='1.0'?>\n<a>\xe9</a>")
    assert (error.code, error.line, error.column) == ("INVALID_ENCODING", 2, 4)


def test_a_declaration_is_looked_for_in_its_first_bytes_only():
    def write(bytes_max: int) -> bytes:
        start = b"<?xml version='1.0'"
        end = b" encoding='iso-8859-5'?>"
        return (
            start + b" " * (bytes_max - len(start) - len(end)) + end + b"<a>" + STREET.encode("iso-8859-5") + b"</a>"
        )

    assert STREET in run_text("xml-validator", write(DECLARATION_BYTES_MAX))
    # Then it is guessed, and the declaration is in vain.
    assert STREET in run_text("xml-validator", write(DECLARATION_BYTES_MAX + 1).replace(b"iso-8859-5", b"iso-8859-1"))


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"\xef\xbb\xbf[1,\n\xff]", 2, 1),
        (b"\xef\xbb\xbf[\xc3\xa9\xff]", 1, 3),
        ("\ufeff[\n1".encode("utf-16-le") + b"\x00", 2, 2),
    ],
)
def test_a_byte_that_does_not_fit_is_placed_in_characters_behind_the_mark(data, line, column):
    error = refuse("json-validator", data)
    assert (error.code, error.line, error.column) == ("INVALID_ENCODING", line, column)


@pytest.mark.parametrize("data", [b"[\xff]", b'{"\xb9":1}', b"a,b\n1,\xe9\n", b"\xe5,b\n1,2\n"])
def test_what_is_ascii_beside_an_odd_byte_stays_so(data):
    shown = run_text("text-minify", data)
    assert [char for char in shown if char.isascii()] == [chr(byte) for byte in b" ".join(data.split()) if byte < 128]


@pytest.mark.parametrize("times", [1, 50])
@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "l'été, les élèves du garçon; où déjà? «Noël»"),
        ("cp1252", "Straße, Müller, groß; – 5 €"),
        ("cp1252", "el niño, la señora, mañana"),
        ("cp1252", "São João, não, coração"),
        ("cp1250", "příliš žluťoučký kůň úpěl ďábelské ódy; číslo, jméno"),
        ("cp1251", STREET),
    ],
)
def test_what_is_no_utf8_is_read_by_its_letters(encoding, text, times):
    told = " ".join([text] * times)
    assert run_text("text-minify", told.encode(encoding)) == told
