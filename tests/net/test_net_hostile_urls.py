"""A corpus of hostile URLs: each is refused before anything is looked up or connected to."""

import asyncio
from ipaddress import IPv6Address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobwire.domain.errors import JobError
from jobwire.net.fetch import Fetcher, FetchPolicy, validate_url
from jobwire.net.policy import URL_CHARS_MAX

PUBLIC = FetchPolicy()

FORBIDDEN_HOSTS = """
127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.255 127.0.0.1. 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1
100.127.255.254 169.254.169.254 169.254.170.2 169.254.1.1 172.16.0.1 172.31.255.255 192.168.0.1
192.168.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1 198.18.0.1
198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 100.100.100.200
168.63.129.16 localhost LOCALHOST localhost. api.localhost ℓocalhost ｌｏｃａｌｈｏｓｔ 127。0。0。1
127．0．0．1 127｡0｡0｡1
１２７.０.０.１ ①②⑦.⓪.⓪.① 𝟏𝟐𝟕.𝟎.𝟎.𝟏 １６９．２５４．１６９．２５４ [::] [::1] [0:0:0:0:0:0:0:1]
[0000:0000:0000:0000:0000:0000:0000:0001] [::ffff:127.0.0.1] [::FFFF:7F00:1] [::ffff:10.0.0.1]
[::ffff:169.254.169.254] [0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [::7f00:1] [::ffff:0:127.0.0.1]
[64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::8.8.8.8] [64:ff9b:1::1] [64:ff9b:1:ffff::10.0.0.1]
[2002:7f00:1::] [2002:a00:1::1] [2002:808:808::1] [2001::1] [2001:0:7f00:1::] [2001:2::1] [2001:10::1]
[2001:20::1] [2001:db8::1] [2620:4f:8000::1] [3fff::1] [5f00::1] [100::1] [100:0:0:1::1] [fc00::1]
[fd00:ec2::254] [fd12:3456:789a::1] [fe80::1] [febf::1] [fec0::1] [feff::1] [ff02::1] [ff0e::1] [4000::1]
[1::1] [8000::1] [fd20:ce::254]
""".split()  # noqa: SIM905  a wall of quotes would hide the forms

UNREADABLE_HOSTS = """
2130706433 0x7f000001 0X7F000001 017700000001 0177.0.0.1 0x7f.0.0.1 0x7f.0x0.0x0.0x1 127.1 127.0.1 0 1 0x
4294967295 127.0.0.01 127.0.0.256 127.0.0.0x1 256.1.1.1 1.2.3.4.5 127.0.0.1.. 127..0.1 169.254.43518
0xa9fea9fe 2852039166 foo.1 foo.0x1 １２７.１ 2130706433. 0300.0250.0.1 3232235521 127.0.0.1%00 127.0.0.1%2e
127%2e0%2e0%2e1 %31%32%37.0.0.1 local%68ost [fe80::1%eth0] [fe80::1%25eth0] [::1%lo] [::1 ::1] [:::1]
[1:2:3:4:5:6:7:8:9] [127.0.0.1] [localhost] [v1.a] [] [::1]x x[::1] a..b .example.com example..com
-example.com example-.com exa$mple.com exa,mple.com exa*mple.com exa'mple.com exa!mple.com (example).com
a;b.com a=b.com user@example.com user:pass@example.com @example.com :@example.com example.com@127.0.0.1
127.0.0.1@example.com example.com:80@127.0.0.1 example.com%40127.0.0.1 example.com＠127.0.0.1
example.com／.evil.com example.com：80 example.com:0 example.com:65536 example.com:99999 example.com:999999
example.com:80:80 example.com: example.com:-1 example.com:+80 example.com:8e1 example.com:８０ example.com:http
example.com:0x50 example.com:80.
""".split()  # noqa: SIM905  a wall of quotes would hide the forms

UNREADABLE_URLS = [
    "",
    "http://",
    "http:///",
    "http:///etc/passwd",
    "http://?x",
    "http://#x",
    "http:example.com",
    "http:/example.com",
    "http:\\\\127.0.0.1\\",
    "http:/\\127.0.0.1",
    "http://example.com\\@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com/\\..\\",
    "//127.0.0.1/",
    "/etc/passwd",
    "example.com",
    "127.0.0.1:80",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "FILE:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://example.com/a",
    "ftps://example.com/a",
    "data:text/plain,hello",
    "data://text/plain;base64,SGVsbG8=",
    "dict://127.0.0.1:11211/stats",
    "ldap://127.0.0.1/",
    "tftp://127.0.0.1/x",
    "jar:http://example.com!/",
    "javascript:alert(1)",
    "ws://example.com/",
    "wss://example.com/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "view-source:http://example.com/",
    "httpx://example.com/",
    "http s://example.com/",
    " http://example.com/",
    "http://example.com/ ",
    "\thttp://example.com/",
    "ht\ntp://example.com/",
    "http://exam\tple.com/",
    "http://127.0.0.1\t.example.com/",
    "http://example.com/\r\nHost: 127.0.0.1",
    "http://example.com/\r\n\r\nGET / HTTP/1.1",
    "http://example.com\r\n/",
    "http://example.com/a\nb",
    "http://example.com/a\x00b",
    "http://example.com\x00.evil.com/",
    "http://example.com/\x7f",
    "http://example.com/\x85",
    "http://exam\u00adple.com/",
    "http://exam\u200bple.com/",
    "http://\u202e1.0.0.721/",
    "http://example.com/\u2028",
    "http://example.com/\ufeff",
    "http://example.com/\ud800",
    "http://\u0130.\u0000/",
    "http://" + "a" * 64 + ".com/",
    "http://" + "ă" * 64 + ".com/",
    "http://" + "a." * 126 + "com/",
    "http://xn--/",
    "http://[::1",
    "http://::1/",
]

BAD_PORTS = [1, 22, 25, 79, 81, 442, 444, 2375, 3306, 5432, 6379, 8080, 9200, 11211, 65535]

CORPUS = [
    *((f"http://{host}/", "url_forbidden") for host in FORBIDDEN_HOSTS),
    *((f"https://{host}:443/x?y=http://example.com/#z", "url_forbidden") for host in FORBIDDEN_HOSTS[:12]),
    *((f"http://{host}/", "url_invalid") for host in UNREADABLE_HOSTS),
    *((url, "url_invalid") for url in UNREADABLE_URLS),
    *((f"http://example.com:{port}/", "url_forbidden") for port in BAD_PORTS),
    *((f"http://8.8.8.8:{port}/", "url_forbidden") for port in BAD_PORTS),
    *((f"https://[2606:4700::1111]:{port}/", "url_forbidden") for port in BAD_PORTS),
]

FRIENDLY = [
    ("http://example.com", "http://example.com"),
    ("HTTPS://EXAMPLE.com./a/../b?c=d#e", "https://example.com/b?c=d"),
    ("http://example.com:80/", "http://example.com/"),
    ("https://münchen.de/poză.jpg?q=ș", "https://xn--mnchen-3ya.de/poz%C4%83.jpg?q=%C8%99"),
    ("https://пример.рф/", "https://xn--e1afmkfd.xn--p1ai/"),
    ("http://a_b.example.com/", "http://a_b.example.com/"),
    ("http://8.8.8.8/", "http://8.8.8.8/"),
    ("https://[2606:4700:0:0::1111]/", "https://[2606:4700::1111]/"),
    ("http://[::ffff:8.8.8.8]/", f"http://[{IPv6Address('::ffff:808:808')}]/"),
    ("http://0x7f.example.com/", "http://0x7f.example.com/"),
    ("http://example.com/@user?a@b#c@d", "http://example.com/@user?a@b"),
    ("http://example.com/%0d%0aHost:%20x", "http://example.com/%0D%0AHost:%20x"),
    ("http://localhost.example.com/", "http://localhost.example.com/"),
]


def test_the_corpus_is_large_and_without_repeats():
    assert len({url for url, _ in CORPUS}) == len(CORPUS) > 250


def test_every_hostile_url_is_refused():
    taken = []
    for url, code in CORPUS:
        try:
            validate_url(url, PUBLIC)
        except JobError as error:
            if error.code == code and not error.retryable and error.message.isprintable():
                continue
        taken.append(url)
    assert taken == []


def test_no_hostile_url_reaches_a_server_even_when_every_name_leads_there(listen, names):
    async def check():
        resolver = names({"*": [["127.0.0.1"]]})
        async with listen(b"HTTP/1.1 200 OK\r\n\r\n") as listener, Fetcher(resolver=resolver) as fetcher:
            urls = [url for url, _ in CORPUS] + [f"http://127.0.0.1:{listener.port}/"]
            for url in urls:
                with pytest.raises(JobError) as caught:
                    await fetcher.get_bytes(url)
                assert caught.value.code in {"url_invalid", "url_forbidden"}, url
            assert listener.connections == 0
            assert resolver.asked == []

    asyncio.run(check())


@pytest.mark.parametrize(("url", "normal"), FRIENDLY)
def test_an_honest_url_is_accepted_in_its_normal_form(url, normal):
    assert str(validate_url(url, PUBLIC)) == normal


@pytest.mark.parametrize(("length", "valid"), [(URL_CHARS_MAX, True), (URL_CHARS_MAX + 1, False)])
def test_a_url_has_at_most_2048_characters(length, valid):
    url = "http://example.com/".ljust(length, "a")
    if valid:
        validate_url(url, PUBLIC)
        return
    with pytest.raises(JobError, match="2049 characters, more than 2048"):
        validate_url(url, PUBLIC)


def test_a_password_in_a_url_is_never_repeated_in_the_message():
    with pytest.raises(JobError) as caught:
        validate_url("http://root:hunter2@example.com/", PUBLIC)
    assert "hunter2" not in caught.value.message


def test_allowed_addresses_open_on_every_port_and_names_are_left_to_the_guard():
    policy = FetchPolicy(allow=(ip_network("127.0.0.0/8"),))
    for url in (
        "http://127.0.0.1:8080/",
        "http://localhost:3000/",
        "http://[::ffff:127.0.0.9]:1/",
        "http://name:81/",
    ):
        validate_url(url, policy)
    for url in ("http://10.0.0.1/", "http://8.8.8.8:8080/", "http://[::1]:80/"):
        with pytest.raises(JobError):
            validate_url(url, policy)


def test_a_port_the_operator_opened_is_open():
    policy = FetchPolicy(ports=frozenset({8443}))
    validate_url("https://example.com:8443/", policy)
    with pytest.raises(JobError, match="port 443 is not one of 8443"):
        validate_url("https://example.com/", policy)


@given(st.text(max_size=60) | st.text("htp:/@[]%\\.#?0123456789abcdefxX。１ⅰ", max_size=40).map("http://".__add__))
@example("http://a\u0345/")
def test_any_text_is_either_refused_with_a_code_or_becomes_a_stable_normal_form(text):
    try:
        url = validate_url(text, PUBLIC)
    except JobError as error:
        assert error.code in {"url_invalid", "url_forbidden"}
    else:
        assert str(validate_url(str(url), PUBLIC)) == str(url)
