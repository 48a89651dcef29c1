"""The agency behind a key, and the field schema."""

from jobwire.service.call import Call, Reply
from jobwire.store.contract import Reader, Transaction
from jobwire.systems.rentix.fields import LISTING_FIELDS, Rule
from jobwire.systems.rentix.records import count_publications, find_agency, month_of, open_agency
from jobwire.systems.rentix.schema import base_schema, contextual_schema
from jobwire.systems.rentix.settings import RentixSettings
from jobwire.systems.rentix.validation import find_fault, invalid


async def get_agency(call: Call) -> Reply:
    """Whose key this is, and what is left of the month's limit."""
    services, owner = call.services, call.principal.owner

    def read(reader: Reader) -> tuple[int | None, int]:
        return find_agency(reader, owner), count_publications(reader, owner, month=month_of(services.clock()))

    def open_first(tx: Transaction) -> int:
        return open_agency(tx, owner)

    agency, used = await services.store.read(read)
    return Reply(
        {
            "id": agency if agency is not None else await services.store.write(open_first),
            "name": call.principal.owner_name,
            "status": "active",
            "isCrmEnabled": True,
            "limits": {
                "monthlyListings": {"used": used, "limit": RentixSettings(services.settings).monthly_listings_max}
            },
        }
    )


async def get_base_schema(call: Call) -> Reply:
    """Every field a listing may have."""
    return Reply(base_schema(RentixSettings(call.services.settings).required_fields))


async def get_contextual_schema(call: Call) -> Reply:
    """The fields of one sort of listing, named by announcementType and propertyType in the query."""
    names = ("announcementType", "propertyType")
    faults = [fault for name in names if (fault := find_fault(name, call.query.get(name), _rule(name)))]
    if faults:
        raise invalid(faults)
    required = RentixSettings(call.services.settings).required_fields
    return Reply(contextual_schema(*(call.query[name] for name in names), required=required))


def _rule(name: str) -> Rule:
    return LISTING_FIELDS[name]
