"""Finds the credential of a call in the places its dialect names."""

from collections.abc import Iterable, Mapping, Sequence

from jobwire.dialects.spec import Carrier, Dialect
from jobwire.domain.errors import RequestError
from jobwire.service.credentials import refuse_token
from jobwire.service.tokens import TOKEN_CHARS_MAX


def find_token(dialect: Dialect, headers: Iterable[tuple[bytes, bytes]], query: Mapping[str, str]) -> str:
    """The token a call carries.

    RequestError credentials_missing without one (another scheme's word is none), credentials_conflict with several
    where the dialect refuses that, unauthorized for a text that cannot be a token.
    """
    tokens = list(_carried(dialect.credentials, headers, query))
    if not tokens:
        raise RequestError("credentials_missing", f"This call carries no credential; send {_places(dialect)}.")
    if len(tokens) > 1 and dialect.several_credentials == "refuse":
        raise RequestError("credentials_conflict", f"This call carries {len(tokens)} credentials; send one.")
    token = tokens[0]
    if len(token) > TOKEN_CHARS_MAX or not (token.isascii() and token.isprintable()):
        raise refuse_token()
    return token


def _carried(
    carriers: Sequence[Carrier], headers: Iterable[tuple[bytes, bytes]], query: Mapping[str, str]
) -> Iterable[str]:
    sent = list(headers)
    for carrier in carriers:
        if carrier.place == "query":
            values = [query[carrier.name]] if carrier.name in query else []
        else:
            wanted = carrier.name.lower().encode("ascii")
            values = [value.decode("latin-1") for name, value in sent if name == wanted]
        for value in values:
            token = _read_carried(carrier, value)
            if token:
                yield token


def _read_carried(carrier: Carrier, value: str) -> str:
    """The token in a carrier's value; empty if there is none, or behind another scheme word."""
    if carrier.scheme is None:
        return value.strip()
    scheme, _, token = value.strip().partition(" ")
    return token.strip() if scheme.lower() == carrier.scheme.lower() else ""


def _places(dialect: Dialect) -> str:
    return " or ".join(show_carrier(carrier) for carrier in dialect.credentials)


def show_carrier(carrier: Carrier) -> str:
    """How a key is sent in this place."""
    if carrier.place == "query":
        return f"?{carrier.name}=<key>"
    return f"{carrier.name}: {f'{carrier.scheme} ' if carrier.scheme else ''}<key>"


def name_carrier(carrier: Carrier) -> str:
    """The place's name among the security schemes of a description."""
    return "_".join(filter(None, (carrier.name.lower().replace("-", "_"), (carrier.scheme or "").lower())))


def describe_carrier(carrier: Carrier) -> Mapping[str, str]:
    """The place as a security scheme of OpenAPI."""
    if (carrier.name.lower(), (carrier.scheme or "").lower()) == ("authorization", "bearer"):
        return {"type": "http", "scheme": "bearer"}
    described = {"type": "apiKey", "in": carrier.place, "name": carrier.name}
    return described if carrier.scheme is None else {**described, "description": f"{carrier.scheme} <key>"}
