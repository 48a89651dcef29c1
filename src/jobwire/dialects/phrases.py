"""What HTTP's statuses are called in error bodies, the same on every Python. spec.py has the words of a dialect."""

from http import HTTPStatus

# RFC 9110's words; Python had older ones before 3.13, and a body must not depend on who serves it.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}


def tell_phrase(status: int) -> str:
    """What a status is called."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase
