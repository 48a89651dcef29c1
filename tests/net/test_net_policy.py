"""The operator's setting is read strictly."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from jobwire.net.policy import FetchPolicy


@pytest.mark.parametrize(
    ("setting", "networks"),
    [
        ("", ()),
        (" , ", ()),
        ("127.0.0.0/8,::1/128", ("127.0.0.0/8", "::1/128")),
        (" 10.1.2.3 , fd00::/8 ", ("10.1.2.3/32", "fd00::/8")),
    ],
)
def test_the_setting_is_a_comma_separated_list_of_networks(setting, networks):
    assert FetchPolicy.from_setting(setting).allow == tuple(map(ip_network, networks))


@pytest.mark.parametrize("wrong", ["127.0.0.1/8", "10.0.0.0/33", "localhost", "::1/129", "10.0.0.0/8;::1", "*"])
def test_a_bad_network_is_named_with_the_form_that_works(wrong):
    with pytest.raises(ValueError, match="not a network to allow") as caught:
        FetchPolicy.from_setting(f"192.168.0.0/16,{wrong}")
    assert f"'{wrong}'" in str(caught.value)
    assert "127.0.0.0/8" in str(caught.value)


def test_a_mapped_network_is_refused_because_it_would_never_match():
    with pytest.raises(ValueError, match="write it as IPv4"):
        FetchPolicy.from_setting("::ffff:127.0.0.0/104")


@pytest.mark.parametrize(
    ("field", "least"), [("redirects_max", 0), ("body_bytes_max", 1), ("connect_ms", 1), ("deadline_ms", 1)]
)
def test_each_limit_has_a_least_value(field, least):
    replace(FetchPolicy(), **{field: least})
    with pytest.raises(ValueError, match=field):
        replace(FetchPolicy(), **{field: least - 1})


@pytest.mark.parametrize(("port", "valid"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_ports_lie_between_1_and_65535(port, valid):
    if valid:
        FetchPolicy(ports=frozenset({port}))
    else:
        with pytest.raises(ValueError, match=str(port)):
            FetchPolicy(ports=frozenset({port}))


def test_the_user_agent_names_the_product_and_its_version():
    assert FetchPolicy().user_agent.startswith("Jobwire/")
