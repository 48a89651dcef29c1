"""Many operations in one call, each for itself: what fails is reported in its place and stops nothing."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from jobwire.domain.errors import RequestError
from jobwire.service.call import Call, Reply
from jobwire.systems.rentix import routes_listings, routes_users
from jobwire.systems.rentix.error_words import show_refusal
from jobwire.systems.rentix.validation import invalid

OPERATIONS_MAX: Final = 100

Operation = Callable[[Call, Mapping[str, Any]], Awaitable[dict[str, Any]]]

_LISTING_OPERATIONS: Final[Mapping[str, Operation]] = {
    "upsert": routes_listings.upsert_one,
    "link": routes_listings.LINKS.link_one,
    "unlink": routes_listings.LINKS.unlink_one,
    "delete": routes_listings.delete_one,
    "validate": routes_listings.validate_one,
}
_USER_OPERATIONS: Final[Mapping[str, Operation]] = {
    "upsert": routes_users.upsert_one,
    "link": routes_users.LINKS.link_one,
    "unlink": routes_users.LINKS.unlink_one,
}


async def post_listings(call: Call) -> Reply:
    """Up to OPERATIONS_MAX operations on listings, in their order."""
    return await _run_all(call, _LISTING_OPERATIONS)


async def post_users(call: Call) -> Reply:
    """Up to OPERATIONS_MAX operations on users, in their order."""
    return await _run_all(call, _USER_OPERATIONS)


async def _run_all(call: Call, operations: Mapping[str, Operation]) -> Reply:
    items = call.body.get("operations") if isinstance(call.body, dict) else None
    if not isinstance(items, list):
        raise invalid(["operations must be an array"])
    if not 1 <= len(items) <= OPERATIONS_MAX:
        raise invalid([f"operations must contain between 1 and {OPERATIONS_MAX} items, it has {len(items)}"])
    # One transaction each: a hundred in one would hold up every other writer for as long.
    results = [
        {"index": index, **await _run_one(call, item, operations=operations)} for index, item in enumerate(items)
    ]
    succeeded = sum(result["success"] for result in results)
    summary = {"total": len(items), "succeeded": succeeded, "failed": len(items) - succeeded}
    return Reply({"summary": summary, "results": results}, status=200 if succeeded else 422)


async def _run_one(call: Call, item: Any, *, operations: Mapping[str, Operation]) -> dict[str, Any]:
    given = item if isinstance(item, dict) else {}
    op = given.get("op")
    operation = operations.get(op) if isinstance(op, str) else None
    try:
        if operation is None:
            raise invalid([f"op must be one of the following values: {', '.join(operations)}"])
        return {"op": op, "success": True, **await operation(call, given)}
    except RequestError as refusal:
        named = {name: given[name] for name in ("id", "externalId") if name in given}
        return {"op": op, "success": False, **named, "error": show_refusal(refusal)}
