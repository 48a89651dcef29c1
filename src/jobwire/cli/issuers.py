"""`jobwire issuers`: whose signed tokens are taken beside our own keys."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from jobwire.cli.accounts import change_owners
from jobwire.cli.output import console, print_json
from jobwire.cli.target import DbOption, JsonOption, opened
from jobwire.config import SettingError, read_settings
from jobwire.service.issuers import ALGORITHMS, LEEWAY_S_DEFAULT, LIFETIME_S_DEFAULT, NewIssuer
from jobwire.service.owners import SCOPES_DEFAULT, check_scopes

issuers = typer.Typer(help="Issuers of JWTs: add, list, remove, revoke a token.", no_args_is_help=True)

IssArgument = Annotated[str, typer.Argument(metavar="ISS", help="The issuer's name: the `iss` of its tokens.")]


@issuers.command()
def add(
    iss: IssArgument,
    audience: Annotated[str, typer.Option(help="What its tokens must have as `aud`: the name of this API.")],
    algorithm: Annotated[str, typer.Option(help=f"The one its tokens are signed with: {', '.join(ALGORITHMS)}.")],
    jwks_url: Annotated[str | None, typer.Option(help="Where its public keys are (https).")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Its public key in PEM; the secret for HS256.")] = None,
    owner_claim: Annotated[str, typer.Option(help="The claim that names the account.")] = "sub",
    owner_prefix: Annotated[str, typer.Option(help="What its accounts' names begin with here.")] = "",
    make_owners: Annotated[bool, typer.Option("--make-owners", help="Make accounts that are not there yet.")] = False,
    scopes: Annotated[str, typer.Option(help="The most its tokens may do, with commas.")] = ",".join(SCOPES_DEFAULT),
    scope_claim: Annotated[str | None, typer.Option(help="The claim that says which of these a token has.")] = None,
    leeway_s: Annotated[int, typer.Option(help="Seconds its clock may differ.")] = LEEWAY_S_DEFAULT,
    lifetime_s_max: Annotated[int, typer.Option(help="Seconds its tokens may live.")] = LIFETIME_S_DEFAULT,
    db: DbOption = None,
) -> None:
    """Take an issuer's tokens, in place of what was said of it before.

    Example:

      jobwire issuers add https://login.acme.example --audience jobs --algorithm RS256
        --jwks-url https://login.acme.example/keys.json
    """
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    check_scopes(wanted)
    new = NewIssuer(
        iss=iss,
        audience=audience,
        algorithm=algorithm,
        scopes=wanted,
        jwks_url=jwks_url,
        key=None if key_file is None else _read_key_file(key_file),
        owner_claim=owner_claim,
        owner_prefix=owner_prefix,
        makes_owners=make_owners,
        scope_claim=scope_claim,
        leeway_s=leeway_s,
        lifetime_s_max=lifetime_s_max,
    )
    change_owners(
        db, lambda o: o.issuers.add(new), f"Tokens of {iss} are taken.", ends_access=True, makes_ledger=True
    )


def _read_key_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"the key file {path} cannot be read: {error}") from None


@issuers.command("list")
def list_issuers(db: DbOption = None, as_json: JsonOption = False) -> None:
    """List the issuers, without their keys."""
    with opened(read_settings(db=db, systems="none")) as house:
        rows = asyncio.run(house.services.owners.issuers.list_all())
    for row in rows:
        if as_json:
            print_json({name: value for name, value in row._asdict().items() if name != "key"})
        else:
            source = row.jwks_url or "a key of its own"
            console.print(f"{row.iss}  {row.algorithm}  for {row.audience}  {row.scopes}  {source}", highlight=False)


@issuers.command()
def remove(iss: IssArgument, db: DbOption = None) -> None:
    """Take an issuer's tokens no more: when this returns, every process refuses them."""
    change_owners(db, lambda o: o.issuers.remove(iss), f"Tokens of {iss} are refused.", ends_access=True)


@issuers.command("revoke-token")
def revoke_token(
    iss: IssArgument,
    jti: Annotated[str, typer.Argument(metavar="JTI", help="The `jti` of the token.")],
    db: DbOption = None,
) -> None:
    """Take one token no more: when this returns, every process refuses it."""
    change_owners(db, lambda o: o.issuers.revoke_token(iss, jti), f"Token {jti} is refused.", ends_access=True)
