"""Which route a path has: literals before verbs behind an id, those before a bare id."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.dialects.spec import JobReference, Route
from jobwire.http.routing import Router, Served


def served(method: Any, path: str) -> Served:
    return Served(Route(method, path, "me"), {}, None, JobReference(), (), 1)


ROUTER = Router(
    [
        served("GET", "/jobs/{id}"), served("POST", "/jobs/{id}:cancel"), served("POST", "/jobs/{id}:re:cancel"),
        served("POST", "/jobs/all:cancel"), served("GET", "/jobs/{id}.json/{part}"),
        served("GET", "/jobs/{id}/{part}"),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "route", "params"),
    [
        ("GET", "jobs/a", "/jobs/{id}", {"id": "a"}),
        ("POST", "jobs/a:cancel", "/jobs/{id}:cancel", {"id": "a"}),
        ("POST", "jobs/a:re:cancel", "/jobs/{id}:re:cancel", {"id": "a"}),
        ("POST", "jobs/all:cancel", "/jobs/all:cancel", {}),
        ("GET", "jobs/a:cancel", "/jobs/{id}", {"id": "a:cancel"}),
        ("GET", "jobs/a.json/b", "/jobs/{id}.json/{part}", {"id": "a", "part": "b"}),
        ("GET", "jobs/.json/b", "/jobs/{id}/{part}", {"id": ".json", "part": "b"}),
    ],
)
def test_the_route_that_says_most_is_found(method: str, path: str, route: str, params: dict[str, str]) -> None:
    match = ROUTER.match(method, path.split("/"))
    assert match is not None and match.served is not None
    assert (match.served.route.path, match.params) == (route, params)


def test_a_path_of_other_methods_names_them_all() -> None:
    match = ROUTER.match("DELETE", ["jobs", "a:cancel"])
    assert match is not None and (match.served, match.allow) == (None, ("GET", "HEAD", "POST"))
    assert ROUTER.match("POST", ["jobs", ":cancel"]) == ROUTER.match("POST", ["jobs", "x"])


@given(st.text(min_size=1).filter(lambda text: "/" not in text and text != "all"))
@pytest.mark.slow
def test_what_stands_before_a_verb_is_the_id_whatever_it_is(text: str) -> None:
    match = ROUTER.match("POST", ["jobs", f"{text}:cancel"])
    assert match is not None
    assert match.params == {"id": text.removesuffix(":re") if text != ":re" and text.endswith(":re") else text}
