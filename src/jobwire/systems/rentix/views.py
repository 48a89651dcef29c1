"""What a client reads of listings, files and agents: the vendor's JSON from stored rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from jobwire.dialects.codecs import iso_ms
from jobwire.systems.rentix.finding import Finding
from jobwire.systems.rentix.photos import PhotoReport
from jobwire.systems.rentix.records import ListingRow
from jobwire.systems.rentix.records_agents import AgentRow
from jobwire.systems.rentix.records_media import MediaRow
from jobwire.systems.rentix.upsert import Upserted

SignFile = Callable[[str, str, str], str]
"""Makes the absolute, expiring link of a kept file from its SHA-256, name and content type."""

LINK_LIFETIME_S: Final = 24 * 3600


def moment(at: int | None) -> str | None:
    """A time as the vendor writes it: 2031-03-04T05:06:07.089Z."""
    return None if at is None else iso_ms(at).strip('"')


def show_upserted(done: Upserted, public_url: str) -> dict[str, Any]:
    """The answer to an upsert: exactly one of `created` and `updated`; `jobId` null when nothing runs."""
    return {
        "id": done.id,
        "externalId": done.external_id,
        "status": done.status,
        "publicUrl": show_public_url(done.id, public_url),
        "created" if done.was_created else "updated": True,
        "jobId": done.job,
    }


def show_public_url(listing: int, public_url: str) -> str:
    """Where the listing is seen by everybody."""
    return f"{public_url}/announcement/{listing}"


def show_listing(
    row: ListingRow, *, media: Sequence[MediaRow], agent: AgentRow | None, public_url: str
) -> dict[str, Any]:
    """A whole listing. `processing` is our own addition: what the last publication found out."""
    return {
        "id": row.id,
        "externalId": row.external_id,
        "publicUrl": show_public_url(row.id, public_url),
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at),
        "lastSyncedAt": moment(row.synced_at),
        "formData": {
            "id": row.id,
            "externalId": row.external_id,
            "announcementStatus": row.status,
            **row.fields,
            "userId": row.agent,
            "fileIds": [file.id for file in media],
        },
        "user": show_listing_agent(agent) if agent else None,
        "files": [_show_listing_file(file) for file in media],
        "processing": _show_finding(row.finding),
    }


def _show_listing_file(file: MediaRow) -> dict[str, Any]:
    return {
        "id": file.id,
        "externalId": file.external_id,
        "contentType": file.content_type,
        "size": None if file.size_bytes is None else str(file.size_bytes),
        "optimization": file.optimization,
    }


def _show_finding(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    found = msgspec.json.decode(text, type=Finding)
    shown: dict[str, Any] = msgspec.to_builtins(
        {
            "sourceLanguage": found.texts.source_language,
            "texts": found.texts.texts,
            "facts": found.texts.facts,
            "location": found.location,
            "duplicateFiles": found.photos.duplicates,
        }
    )
    return shown


def show_media(file: MediaRow, sign: SignFile) -> dict[str, Any]:
    """A file with its variants. `processing` is our own addition: warnings, and why an optimisation failed."""
    report = msgspec.json.decode(file.report, type=PhotoReport) if file.report else None
    return {
        "id": file.id,
        "externalId": file.external_id,
        "size": file.size_bytes,
        "contentType": file.content_type,
        "optimization": file.optimization,
        "blurhash": report.blurhash if report else None,
        "originalUrl": sign(report.original.sha256, report.original.file, report.original.content_type)
        if report
        else file.source_url,
        "variants": [
            {
                "url": sign(variant.sha256, variant.file, variant.content_type),
                "variantSize": variant.variant,
                "size": variant.size_bytes,
            }
            for variant in (report.variants if report else ())
        ],
        "processing": {
            "warnings": report.warnings if report else [],
            "error": _show_error(file.error),
        },
    }


def _show_error(text: str | None) -> Mapping[str, Any] | None:
    if text is None:
        return None
    error = msgspec.json.decode(text, type=dict[str, Any])
    return {"code": error["code"], "message": error["message"], "isRetryable": error["retryable"]}


def show_listing_agent(agent: AgentRow) -> dict[str, Any]:
    """An agent as a listing names them."""
    return {
        "id": agent.id,
        "externalId": agent.external_id,
        "name": agent.name,
        "phone": agent.phone,
        "role": agent.role,
    }


def show_agent(agent: AgentRow) -> dict[str, Any]:
    """An agent by themselves."""
    return {
        **show_listing_agent(agent),
        "createdAt": moment(agent.created_at),
        "updatedAt": moment(agent.updated_at),
    }
