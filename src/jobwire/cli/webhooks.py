"""`jobwire webhooks`: an account's endpoints and what came of what was sent to them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from jobwire.cli.output import console, print_json
from jobwire.cli.target import DbOption, JsonOption, opened
from jobwire.config import read_settings
from jobwire.domain.errors import RequestError
from jobwire.domain.webhooks import DeliveryState
from jobwire.http.webhooks import show_delivery, show_endpoint
from jobwire.kinds.spelling import quote
from jobwire.net.webhook_signing import Scheme
from jobwire.service.webhooks import Webhooks
from jobwire.store import accounts
from jobwire.wiring import House

T = TypeVar("T")

webhooks = typer.Typer(help="Webhooks: add, list, test, read the log of deliveries.", no_args_is_help=True)

OwnerName = Annotated[str, typer.Option("--owner", help="The account.")]
EndpointArgument = Annotated[str, typer.Argument(metavar="ID", help="whe_…")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many to show.")]


def _ask(db: str | None, owner: str, ask: Callable[[Webhooks, int], Coroutine[Any, Any, T]]) -> T:
    with opened(read_settings(db=db, systems="none")) as house:
        return asyncio.run(_ask_in(house, owner, ask))


async def _ask_in(house: House, owner: str, ask: Callable[[Webhooks, int], Coroutine[Any, Any, T]]) -> T:
    found = await house.store.read(lambda reader: accounts.find_owner(reader, owner))
    if found is None:
        raise RequestError("not_found", f"there is no owner {quote(owner)}; `jobwire owners list` names them")
    return await ask(house.services.webhooks, found.id)


@webhooks.command("add")
def add_endpoint(
    url: Annotated[str, typer.Argument(help="Where events are sent to.")],
    owner: OwnerName,
    events: Annotated[
        str, typer.Option(help="Types with commas, or * for all; without it those that end a job.")
    ] = "",
    kinds: Annotated[str, typer.Option(help="Kinds of job with commas; without it all.")] = "",
    scheme: Annotated[str, typer.Option(help="How messages are signed: v1 or v1a.")] = "v1",
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register a webhook; its secret is shown this once.

    Example:

      jobwire webhooks add https://example.org/hook --owner acme
    """
    if scheme not in ("v1", "v1a"):
        raise RequestError("invalid_request", f"scheme is {quote(scheme)}; it is v1 or v1a")
    wanted: Scheme = "v1" if scheme == "v1" else "v1a"
    shown, secret = _ask(
        db,
        owner,
        lambda w, id_: w.create(id_, url, events=_split(events), kinds=_split(kinds), scheme=wanted),
    )
    if as_json:
        print_json(show_endpoint(shown, secret))
        return
    console.print(f"Webhook [bold]{shown.endpoint.id}[/bold]; its secret, shown this once:", highlight=False)
    console.print(f"\n  {secret.text}\n", highlight=False, soft_wrap=True)


def _split(text: str) -> list[str] | None:
    return [word.strip() for word in text.split(",") if word.strip()] or None


@webhooks.command("list")
def list_endpoints(
    owner: OwnerName, limit: LimitOption = 100, db: DbOption = None, as_json: JsonOption = False
) -> None:
    """List an account's webhooks, newest first, those that submissions named included."""
    for shown in _ask(db, owner, lambda w, id_: w.find(id_, limit=limit)):
        view = show_endpoint(shown)
        if as_json:
            print_json(view)
        else:
            events = ", ".join(view.events or ["final events"])
            console.print(f"{view.id}  {view.status:<8}  {view.source:<10}  {view.url}  {events}", highlight=False)


@webhooks.command("test")
def send_test(id_: EndpointArgument, owner: OwnerName, db: DbOption = None) -> None:
    """Send a test message; a running `jobwire serve` or `jobwire worker` delivers it."""
    sent = _ask(db, owner, lambda w, by: w.send_test(by, id_))
    console.print(f"{sent} is on its way; see `jobwire webhooks deliveries {id_} --owner {owner}`.", highlight=False)


@webhooks.command("deliveries")
def list_deliveries(
    id_: EndpointArgument,
    owner: OwnerName,
    state: Annotated[str | None, typer.Option(help="Only pending, delivered or given_up.")] = None,
    limit: LimitOption = 20,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was sent to a webhook and what it answered, newest first."""
    states = {one.name.lower(): int(one) for one in DeliveryState}
    if state is not None and state not in states:
        raise RequestError("invalid_request", f"state is {quote(state)}; it is one of {', '.join(states)}")
    number = None if state is None else states[state]
    rows = _ask(db, owner, lambda w, by: w.deliveries(by, id_, before=None, state=number, limit=limit))
    for row, due_at in rows:
        view = show_delivery(row, due_at)
        if as_json:
            print_json(msgspec.to_builtins(view))
            continue
        answer = "no answer" if view.status is None else f"{view.status} in {view.duration_ms} ms"
        last = "not sent yet" if view.attempts == 0 else f"{view.attempts} attempts, {answer}"
        then = "" if view.next_attempt_at is None else f", next at {view.next_attempt_at}"
        console.print(f"{view.event_at}  {view.state:<9}  {view.type}  {view.id}  {last}{then}", highlight=False)
