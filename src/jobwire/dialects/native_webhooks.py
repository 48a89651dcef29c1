"""The webhooks' routes of the native dialect; http/webhooks.py has what each does."""

from jobwire.dialects.spec import Route
from jobwire.dialects.webhook_forms import (
    DeliveryPage,
    EndpointChange,
    EndpointForm,
    EndpointPage,
    EndpointView,
    MessageSent,
    Redelivered,
    RedeliveryForm,
    RotationForm,
    SecretView,
)

READ, WRITE = "jobs:read", "jobs:write"

WEBHOOK_ROUTES = (
    Route(
        "POST", "/webhooks", "create_webhook", scope=WRITE, body="json", status=201,
        request=EndpointForm, response=EndpointView, summary="Register a webhook",
    ),
    Route(
        "GET", "/webhooks", "list_webhooks", scope=READ, response=EndpointPage,
        summary="List your webhooks, newest first",
    ),
    Route(
        "POST", "/webhooks/secret", "rotate_webhook_secret", scope=WRITE, body="json",
        request=RotationForm, response=SecretView, summary="Make a new secret for the URLs that submissions name",
    ),
    Route(
        "GET", "/webhooks/{id}", "read_webhook", scope=READ, response=EndpointView, summary="Read a webhook",
    ),
    Route(
        "PATCH", "/webhooks/{id}", "change_webhook", scope=WRITE, body="json",
        request=EndpointChange, response=EndpointView, summary="Change a webhook, or switch it off and on",
    ),
    Route("DELETE", "/webhooks/{id}", "delete_webhook", scope=WRITE, status=204, summary="Delete a webhook"),
    Route(
        "GET", "/webhooks/{id}/deliveries", "list_deliveries", scope=READ, response=DeliveryPage,
        summary="List a webhook's deliveries, newest first",
    ),
    Route(
        "POST", "/webhooks/{id}/redeliver", "redeliver", scope=WRITE, body="json", status=202,
        request=RedeliveryForm, response=Redelivered, summary="Send one delivery again, or all since a time",
    ),
    Route(
        "POST", "/webhooks/{id}/test", "test_webhook", scope=WRITE, status=202, response=MessageSent,
        summary="Send a test message",
    ),
    Route(
        "POST", "/webhooks/{id}/rotate", "rotate_webhook", scope=WRITE, body="json",
        request=RotationForm, response=EndpointView, summary="Add a secret and let the old ones expire",
    ),
)  # fmt: skip
