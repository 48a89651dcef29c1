"""Where a Fetcher can be led: only to judged addresses, by redirect, by name or by environment."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest
from aiohttp import web

from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.net.guard import AddressGuard

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


def reply_redirect(location):
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return head.encode()


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2:{port}/", "//127.0.0.2:{port}/", "http://[::ffff:127.0.0.2]:{port}/", "http://inside:{port}/"],
)
def test_a_redirect_to_a_forbidden_address_makes_no_connection(listen, names, loopback, refused, target):
    async def check():
        async with listen(HELLO, host="127.0.0.2") as inside:
            location = target.format(port=inside.port)
            async with listen(reply_redirect(location)) as outside:
                async with Fetcher(loopback, resolver=names({"inside": [["127.0.0.2"]]})) as fetcher:
                    call = fetcher.get_bytes(f"http://127.0.0.1:{outside.port}/")
                    error = await refused(call, "url_forbidden", retryable=False)
                assert outside.connections == 1
                assert inside.connections == 0
                if "inside" in target:
                    assert error.details == {"host": "inside"}
                    assert "127.0.0" not in error.message
            # The same listener is reached once it is allowed: the silence above was the guard's.
            wider = replace(loopback, allow=(ip_network("127.0.0.2/32"),))
            async with Fetcher(wider, resolver=names({"inside": [["127.0.0.2"]]})) as fetcher:
                assert (await fetcher.get_bytes(f"http://inside:{inside.port}/")).body == b"hello"
            assert inside.connections == 1

    asyncio.run(check())


def test_a_name_that_leads_elsewhere_the_second_time_is_judged_again(listen, names, loopback, refused):
    async def check():
        async with listen(HELLO) as outside, listen(HELLO, host="127.0.0.2", port=outside.port) as inside:
            resolver = names({"rebind": [["127.0.0.1"], ["127.0.0.2"]]})
            async with Fetcher(loopback, resolver=resolver) as fetcher:
                url = f"http://rebind:{outside.port}/"
                assert (await fetcher.get_bytes(url)).body == b"hello"
                await refused(fetcher.get_bytes(url), "url_forbidden", retryable=False)
            assert resolver.asked == ["rebind", "rebind"]
            assert (outside.connections, inside.connections) == (1, 0)

    asyncio.run(check())


@pytest.mark.parametrize(
    "addresses",
    [
        ["93.184.215.14", "127.0.0.1"],
        ["127.0.0.1", "93.184.215.14"],
        ["2606:4700::1111", "93.184.215.14", "10.0.0.1"],
        ["2606:4700::1111", "64:ff9b::7f00:1"],
        ["::1"],
        ["169.254.169.254"],
        ["fe80::1%lo"],
        ["not an address"],
    ],
)
def test_a_name_with_one_forbidden_address_among_public_ones_is_refused_whole(names, refused, monkeypatch, addresses):
    monkeypatch.setattr(AddressGuard, "open_socket", lambda _guard, info: pytest.fail(f"a socket for {info}"))

    async def check():
        async with Fetcher(resolver=names({"mixed.example": [addresses]})) as fetcher:
            error = await refused(fetcher.get_bytes("http://mixed.example/"), "url_forbidden", retryable=False)
            assert error.details == {"host": "mixed.example"}
            assert not any(address in error.message for address in addresses)

    asyncio.run(check())


def test_the_socket_is_the_last_wall_when_the_resolver_is_not_asked(listen, names, refused):
    async def check():
        async with listen(HELLO) as listener, Fetcher(resolver=names({})) as fetcher:
            fetcher._policy = FetchPolicy(allow=(ip_network("127.0.0.0/8"),))  # blind the check of the URL's text
            call = fetcher.get_bytes(f"http://127.0.0.1:{listener.port}/")
            await refused(call, "url_forbidden", retryable=False)
            assert listener.connections == 0

    asyncio.run(check())


def test_a_name_reaches_odd_ports_only_inside_the_allow_list(listen, names, loopback, refused):
    async def check():
        resolver = names({"rig": [["127.0.0.1"]], "public": [["93.184.215.14"]]})
        async with listen(HELLO) as listener, Fetcher(loopback, resolver=resolver) as fetcher:
            assert (await fetcher.get_bytes(f"http://rig.:{listener.port}/")).status == 200
            await refused(fetcher.get_bytes("http://public:8080/"), "url_forbidden", retryable=False)

    asyncio.run(check())


@pytest.mark.parametrize("setting", ["127.0.0.0/8", "127.0.0.1", "10.0.0.0/8,127.0.0.1/32"])
def test_the_operators_setting_opens_loopback_on_any_port(listen, setting):
    async def check():
        async with listen(HELLO) as listener, Fetcher(FetchPolicy.from_setting(setting)) as fetcher:
            assert (await fetcher.get_bytes(f"http://127.0.0.1:{listener.port}/")).body == b"hello"

    asyncio.run(check())


def test_the_ipv6_loopback_opens_by_its_own_network(listen, refused):
    async def check():
        async with listen(HELLO, host="::1") as listener:
            url = f"http://[::1]:{listener.port}/"
            async with Fetcher(FetchPolicy.from_setting("::1/128")) as fetcher:
                assert (await fetcher.get_bytes(url)).body == b"hello"
            async with Fetcher(FetchPolicy.from_setting("127.0.0.0/8")) as fetcher:
                await refused(fetcher.get_bytes(url), "url_forbidden", retryable=False)

    asyncio.run(check())


def test_an_address_that_is_not_listening_gives_way_to_the_next(listen, names):
    policy = FetchPolicy.from_setting("127.0.0.0/8")

    async def check():
        resolver = names({"two": [["127.0.0.3", "127.0.0.1"]]})
        async with listen(HELLO) as listener, Fetcher(policy, resolver=resolver) as fetcher:
            assert (await fetcher.get_bytes(f"http://two:{listener.port}/")).body == b"hello"

    asyncio.run(check())


def test_proxies_in_the_environment_are_ignored(listen, loopback, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    async def check():
        async with listen(HELLO) as proxy, listen(HELLO) as origin:
            for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "")
            async with Fetcher(loopback) as fetcher:
                await fetcher.get_bytes(f"http://127.0.0.1:{origin.port}/")
                await fetcher.request("POST", f"http://127.0.0.1:{origin.port}/", json={})
            assert (proxy.connections, origin.connections) == (0, 2)
            assert all(b"authorization" not in head.lower() for head in origin.heard)

    asyncio.run(check())


def test_a_redirect_carries_no_credentials_or_cookies_along(serve, names, loopback):
    seen = []

    async def turn(_request):
        return web.Response(status=302, headers={"Location": "/end", "Set-Cookie": "a=b"})

    async def end(request):
        seen.append(request.headers)
        return web.Response()

    async def check():
        # By name: cookie jars ignore the cookies of plain addresses anyway.
        resolver = names({"shop.example": [["127.0.0.1"]]})
        async with serve({"/": turn, "/end": end}) as base, Fetcher(loopback, resolver=resolver) as fetcher:
            await fetcher.get_bytes(base.replace("127.0.0.1", "shop.example"))

    asyncio.run(check())
    assert not {"Cookie", "Authorization", "Referer"} & set(seen[0])
