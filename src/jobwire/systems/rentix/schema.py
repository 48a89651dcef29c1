"""The vendor's field schema, generated from the table of fields.py."""

from collections.abc import Mapping
from typing import Any, assert_never

from jobwire.systems.rentix.fields import (
    CLIENT_STATUSES,
    LISTING_FIELDS,
    PHOTOS_MAX,
    PHOTOS_MIN,
    SECONDARY_TYPES,
    Choice,
    Number,
    Point,
    Rule,
    Text,
    secondary_types,
)


def base_schema(required: tuple[str, ...]) -> dict[str, Any]:
    """Every field with its type and bounds, whatever is announced."""
    return {
        "fields": [_show_field(name, rule, required) for name, rule in LISTING_FIELDS.items()],
        "announcementStatus": list(CLIENT_STATUSES),
        "propertySecondaryTypes": {kind: list(words) for kind, words in SECONDARY_TYPES.items()},
        "files": {"min": PHOTOS_MIN, "max": PHOTOS_MAX},
    }


def contextual_schema(announcement_type: str, property_type: str, *, required: tuple[str, ...]) -> dict[str, Any]:
    """The fields of one sort of listing, its secondary types narrowed."""
    words = Choice(secondary_types(announcement_type, property_type))
    rules: Mapping[str, Rule] = {**LISTING_FIELDS, "propertySecondaryType": words}
    return {
        "announcementType": announcement_type,
        "propertyType": property_type,
        "fields": [_show_field(name, rule, required) for name, rule in rules.items()],
    }


def _show_field(name: str, rule: Rule, required: tuple[str, ...]) -> dict[str, Any]:
    return {"name": name, **_show_rule(rule), "required": name in required}


def _show_rule(rule: Rule) -> dict[str, Any]:
    match rule:
        case Text():
            return {"type": "string", "minLength": rule.chars_min, "maxLength": rule.chars_max}
        case Number():
            return {"type": "number", "min": rule.lowest, "max": rule.highest}
        case Choice():
            return {"type": "enum", "values": list(rule.words)}
        case Point():
            return {"type": "object", "keys": ["lat", "lng"]}
    assert_never(rule)
