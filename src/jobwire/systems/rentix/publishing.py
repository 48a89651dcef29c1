"""The job announcement_finalize: publishes a listing with its place, its texts in three languages and its photos.

location.py, translation.py and media.py do the three parts; here they are put in order and their result is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from jobwire.domain.errors import JobError
from jobwire.kinds.contract import Context, FinalJob
from jobwire.store.contract import Reader, Store, Transaction
from jobwire.systems.rentix.fields import ACTIVE, PHOTOS_MIN, PUBLISH_FAILED
from jobwire.systems.rentix.finding import (
    Finding,
    PhotoFinding,
    analyze_photos,
    read_facts,
    read_location_request,
)
from jobwire.systems.rentix.geocoding import Geocoded, NominatimGeocoder
from jobwire.systems.rentix.location import Location, LocationRequest, locate
from jobwire.systems.rentix.media import PhotoWork
from jobwire.systems.rentix.photos import PhotoReport
from jobwire.systems.rentix.providers import ProviderRequests
from jobwire.systems.rentix.records import ListingRow, close_job, end_publication, find_listing, keep_finding
from jobwire.systems.rentix.records_media import MediaRow, fail_unfinished, media_of
from jobwire.systems.rentix.settings import RentixSettings
from jobwire.systems.rentix.translation import TranslationRequest, TranslationResult, translate_description
from jobwire.systems.rentix.translators import build_translators

OPERATIONS: Final = ("translate_description", "process_location", "analyze_images")
STAGES: Final = {"process_location": 10.0, "translate_description": 20.0, "analyze_images": 70.0}
"""In the order of work: the texts name the place."""

ROUNDS_MAX: Final = 10
"""How often a listing may change under its own publication before the client is asked to settle down."""

REASONS_MAX: Final = 3
"""How many photos' reasons the message names; the details name all."""


class FinalizeInput(msgspec.Struct, frozen=True, rename="camel"):
    """Which listing to publish."""

    listing_id: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A photo that could not be used: its place in the listing, and why."""

    place: int
    media: MediaRow
    error: JobError


class Publishing:
    """Publishes the listings of one house. Every finished part is kept, so that a retry does not repeat it."""

    def __init__(self, store: Store, photos: PhotoWork, settings: RentixSettings) -> None:
        self._store = store
        self._photos = photos
        providers = ProviderRequests()
        self._translators = build_translators(settings.translation, providers)
        self._geocoder = NominatimGeocoder(providers, settings.nominatim_url) if settings.nominatim_url else None

    async def finalize(self, ctx: Context, announcement: FinalizeInput) -> dict[str, Any]:
        """Publish a listing: translate its description, find its place, optimise and analyse its photos."""
        for _ in range(ROUNDS_MAX):
            listing, media = await self._store.read(partial(_load, owner=ctx.owner, listing=announcement.listing_id))
            finding = await self._examine(ctx, listing, media)
            if await ctx.write(partial(_keep, owner=ctx.owner, listing=listing, job=ctx.number, finding=finding)):
                return {
                    "announcementId": listing.id,
                    "completedOperations": list(OPERATIONS),
                    "finalStatus": ACTIVE,
                }
        raise JobError(
            "listing_changing",
            f"The listing was changed {ROUNDS_MAX} times while being published; send it again once it is ready",
            retryable=True,
        )

    async def _examine(self, ctx: Context, listing: ListingRow, media: Sequence[MediaRow]) -> Finding:
        """What the three parts come to for one revision of the listing."""
        fields, revision = listing.fields, listing.revision
        ctx.progress(stage="process_location")
        located = await ctx.step(
            f"process_location@{revision}", lambda: self._process_location(ctx, read_location_request(fields))
        )
        location = msgspec.convert(located, Location | None)
        ctx.progress(stage="translate_description")
        request = TranslationRequest(
            text=fields.get("announcementDescription"), attributes=read_facts(fields, location)
        )
        translated = await ctx.step(
            f"translate_description@{revision}", lambda: translate_description(request, self._translators)
        )
        reports = await self._prepare_photos(ctx, media)
        analyzed = await ctx.step(f"analyze_images@{revision}", lambda: analyze_photos(reports, location))
        photos = msgspec.convert(analyzed, PhotoFinding)
        if photos.taken_elsewhere:
            ctx.log.warning("photos %s of listing %s were taken elsewhere", photos.taken_elsewhere, listing.id)
        return Finding(location, msgspec.convert(translated, TranslationResult), photos)

    async def _process_location(self, ctx: Context, request: LocationRequest | None) -> Location | None:
        if request is None:
            return None
        geocoded = None
        if self._geocoder is not None and request.coordinates is None and request.address is not None:
            geocoded = await _ask_geocoder(ctx, self._geocoder, request.address)
        return locate(request, geocoder=geocoded)

    async def _prepare_photos(self, ctx: Context, media: Sequence[MediaRow]) -> dict[int, PhotoReport]:
        """The reports of the usable photos by file id; one that fails is left out, too few of them are an error."""
        reports: dict[int, PhotoReport] = {}
        failures: list[Failure] = []
        for place, file in enumerate(media):
            ctx.check_cancelled()
            ctx.progress(stage="analyze_images", done=place, total=len(media))
            try:
                reports[file.id] = await self._photos.prepare(ctx, file)
            except JobError as error:
                failures.append(Failure(place, file, error))
        ctx.progress(stage="analyze_images", done=len(media), total=len(media))
        if len(reports) < PHOTOS_MIN:
            raise _too_few(len(reports), failures)
        return reports


async def _ask_geocoder(ctx: Context, geocoder: NominatimGeocoder, address: str) -> Geocoded | None:
    """Its answer; None when it is of no use, which is the operator's affair and not the customer's."""
    try:
        return await geocoder.geocode(address)
    except JobError as error:
        if error.retryable:
            message = "The address service gave no answer"
            raise JobError(
                "geocoder_unavailable", message, retryable=True, retry_after_ms=error.retry_after_ms
            ) from error
        ctx.log.error("the geocoder is of no use: %s", error.message)
        return None


def _load(reader: Reader, *, owner: int, listing: int) -> tuple[ListingRow, list[MediaRow]]:
    row = find_listing(reader, owner, number=listing)
    if row is None:
        raise JobError("listing_deleted", "The listing was deleted before it was published")
    return row, media_of(reader, owner, listing)


def _keep(tx: Transaction, *, owner: int, listing: ListingRow, job: int, finding: Finding) -> bool:
    kept = msgspec.json.encode(finding).decode()
    if not keep_finding(tx, owner, listing.id, revision=listing.revision, finding=kept):
        return False
    close_job(tx, owner, listing.id, job=job)
    return True


def _too_few(usable: int, failures: Sequence[Failure]) -> JobError:
    total = usable + len(failures)
    reasons = "; ".join(f"photo {failure.place + 1}: {failure.error.message}" for failure in failures[:REASONS_MAX])
    waits = [failure.error.retry_after_ms for failure in failures if failure.error.retry_after_ms is not None]
    return JobError(
        "images_failed",
        f"Failed to process images: {usable} of {total} photos can be used, {PHOTOS_MIN} are needed; {reasons}",
        retryable=any(failure.error.retryable for failure in failures),
        retry_after_ms=max(waits, default=None),
        details={
            "photos": [
                {
                    "mediaId": failure.media.id,
                    "externalId": failure.media.external_id,
                    "code": failure.error.code,
                    "message": failure.error.message,
                    "isRetryable": failure.error.retryable,
                }
                for failure in failures
            ]
        },
    )


def conclude_publication(tx: Transaction, final: FinalJob) -> None:
    """The publication has ended: the listing is active or has failed, unless the client took it back meanwhile."""
    listing = msgspec.json.decode(final.input, type=FinalizeInput).listing_id
    status = ACTIVE if final.completed else PUBLISH_FAILED
    ended = end_publication(tx, final.owner, listing, job=final.number, status=status)
    if ended:
        fail_unfinished(tx, final.owner, [media.id for media in media_of(tx, final.owner, listing)])
