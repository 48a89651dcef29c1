"""The demo's listing, and how its result is told. demo.py runs it."""

import shutil
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.panel import Panel
from rich.table import Table

from jobwire.cli.output import console

SHA256_CHARS = 64
AGENCY = "Imobiliare Codru"
# Of the package above it: to find rentix is to load it, 0.14 of the 0.54 s that any command took to start.
PHOTOS = Path(str(files("jobwire.systems") / "rentix" / "demo_photos"))
LANGUAGES = {"ro": "Romanian", "ru": "Russian", "en": "English"}

DESCRIPTION = (
    "Se dă în chirie apartament cu 2 camere și living în sectorul Botanica, lângă parcul Valea Trandafirilor. "
    "Suprafața este de 68 m², etajul 4 din 9, bloc nou, euroreparație, mobilat complet, încălzire autonomă. "
    "Prețul este de 450 EUR pe lună. Detalii la telefon: +373 69 123 456."
)


def make_listings(address: str) -> list[dict[str, Any]]:
    """Three listings to publish; the last one is ours, the others stand before it in the queue."""
    photos = ["living-room.jpg", "balcony.jpg", "harbour-gps.jpg", "waterfall-turned.jpg"]
    neighbour = {
        "announcementType": "sale",
        "propertyType": "residential",
        "propertySecondaryType": "house",
        "announcementValue": 98_000,
        "announcementCurrency": "EUR",
        "announcementStatus": "active",
        "propertyArea": 140,
        "propertyAddress": "г. Сорока, ул. Штефан чел Маре 10",
        "files": [{"url": f"{address}/{name}"} for name in ("pavilion.jpg", "balcony.jpg", "harbour-gps.jpg")],
    }
    ours = {
        "externalId": "FLAT-77",
        "announcementType": "rent",
        "propertyType": "residential",
        "propertySecondaryType": "apartment",
        "announcementValue": 450,
        "announcementCurrency": "EUR",
        "announcementPayPeriod": "monthly",
        "announcementDescription": DESCRIPTION,
        "announcementStatus": "active",
        "propertyArea": 68,
        "propertyFloorNumber": 4,
        "propertyFloorsTotal": 9,
        "propertyQuantitySize": "2",
        "propertyAddress": "bd. Dacia 24, Botanica, Chișinău",
        "files": [{"url": f"{address}/{name}", "externalFileId": name} for name in photos],
    }
    return [{**neighbour, "externalId": "HOUSE-1"}, {**neighbour, "externalId": "HOUSE-2"}, ours]


def print_listing(listing: dict[str, Any], read_media: Callable[[int], Any], folder: Path) -> None:
    """What the job did: texts, place, photographs."""
    from PIL import Image  # noqa: PLC0415 - of the rentix extra; the command line starts without it

    done = listing["processing"]
    console.print(f"\n[bold]5[/bold]  The listing is {listing['formData']['announcementStatus']}. What was done:")
    console.print(Panel(_tell_texts(done), title="texts", title_align="left"))
    console.print(Panel(_tell_place(done["location"]), title="place", title_align="left"))
    table = Table("photo", "variant", "pixels", "bytes", "file", box=None)
    for file in listing["files"]:
        media = read_media(file["id"])
        original = {"variantSize": "original", "size": media["size"], "url": media["originalUrl"]}
        for number, variant in enumerate([original, *media["variants"]]):
            name = media["externalId"] if number == 0 else ""
            stored = _stored_at(folder, variant["url"])
            with Image.open(stored) as image:
                pixels = f"{image.width} × {image.height}"
            place = str(stored.relative_to(folder))
            table.add_row(name, variant["variantSize"], pixels, f"{variant['size']:,}", place)
    console.print(Panel(table, title=f"photographs, in {folder}", title_align="left"))


def _tell_texts(done: dict[str, Any]) -> str:
    lines = []
    for code, name in LANGUAGES.items():
        text = done["texts"].get(code, {})
        words = text.get("text") or f"not translated: {text.get('reason', 'no engine')}"
        lines.append(f"[bold]{name}[/bold] ({text.get('status', 'unavailable')}): {words}")
        lines.append(f"   facts: {done['facts'][code]}")
    return "\n".join(lines)


def _tell_place(location: dict[str, Any]) -> str:
    parts = {
        "place": (location.get("place") or {}).get("name"),
        "sector": (location.get("sector") or {}).get("name"),
        "region": (location.get("region") or {}).get("name"),
        "precision": location.get("precision"),
        "geohash": location.get("geohash"),
        "H3": location.get("h3"),
        "timezone": location.get("timezone"),
    }
    return "\n".join(f"{name}: {value}" for name, value in parts.items() if value)


def _stored_at(folder: Path, url: str) -> Path:
    """The file in the blob store that a signed link leads to: it is named by its content."""
    sha256 = next(part for part in url.partition("?")[0].split("/") if len(part) == SHA256_CHARS)
    return next((folder / "jobwire.db-files").rglob(f"{sha256}*"))


def print_next_steps(folder: Path, key: str) -> None:
    """The next three things to try."""
    program = _program()
    console.print("\n[bold]Try next[/bold]")
    console.print(
        f"  1. {program} serve --db {folder}/jobwire.db     and poll with curl:", highlight=False, soft_wrap=True
    )
    curl = f"curl -H 'Authorization: ApiKey {key}' 'http://127.0.0.1:8000/api/v1/listings'"
    console.print(f"       {curl}", highlight=False, soft_wrap=True)
    console.print(
        f"  2. {program} jobs --db {folder}/jobwire.db      every job of this demo", highlight=False, soft_wrap=True
    )
    console.print("  3. README.md, “Your own kind of job”: twenty lines to an API of your own", highlight=False)


def _program() -> str:
    """How this program was called, so that the lines above can be typed as they stand."""
    if shutil.which("jobwire"):
        return "jobwire"
    called = Path(sys.argv[0]).resolve()
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)
