"""Documented calls of five APIs and what they answer, word for word, beside market_tables.py.

`{id}` stands for the id of the job, `{origin}` for the server; the house's clock stands still.
"""

from dataclasses import dataclass, field
from typing import Any

from jobwire.dialects.spec import Dialect
from market_tables import APIFY, FIRECRAWL, OPENAI, REPLICATE, SHOPIFY

AT_S = 1_900_000_000
MICROSECONDS, MILLISECONDS, SECONDS = (
    "2030-03-17T17:46:40.123000Z",
    "2030-03-17T17:46:40.123Z",
    "2030-03-17T17:46:40Z",
)
DAY_LATER = "2030-03-18T17:46:40.123Z"


@dataclass(frozen=True)
class Call:
    """One call and its whole answer."""

    method: str
    path: str
    status: int
    answer: Any
    body: Any = None


@dataclass(frozen=True)
class Story:
    """One API: a job is submitted, claimed, makes progress and completes; a second is cancelled, a third fails."""

    dialect: Dialect
    submit: Call
    id_at: tuple[str, ...]
    status: Call
    running: dict[str, Any]
    output: Any
    completed: dict[str, Any]
    cancel: Call
    failed: dict[str, Any]
    id_pattern: str
    id_of_nobody: str
    nobody: dict[str, Any]
    status_at: tuple[str, ...] = ()
    progress: dict[str, Any] = field(default_factory=dict)


PROGRESS = {"percent": 40, "stage": "work", "done": 2, "total": 5, "message": "Crawled 2 of 5 pages"}

_BATCH = {
    "id": "{id}", "object": "batch", "endpoint": "/v1/chat/completions", "errors": None,
    "input_file_id": "file-abc123", "completion_window": "24h", "status": "validating",
    "output_file_id": None, "error_file_id": None,
    "created_at": AT_S, "in_progress_at": None, "expires_at": AT_S + 86_400, "finalizing_at": None,
    "completed_at": None, "failed_at": None, "expired_at": None, "cancelling_at": None, "cancelled_at": None,
    "request_counts": {"total": 0, "completed": 0, "failed": 0}, "metadata": {"batch_description": "Nightly eval"},
}  # fmt: skip
_BATCH_INPUT = {
    "input_file_id": "file-abc123", "endpoint": "/v1/chat/completions", "completion_window": "24h",
    "metadata": {"batch_description": "Nightly eval"},
}  # fmt: skip

OPENAI_STORY = Story(
    dialect=OPENAI,
    submit=Call("POST", "/batches", 200, _BATCH, _BATCH_INPUT),
    id_at=("id",),
    id_pattern=r"batch_[0-9a-v]{26}",
    status=Call("GET", "/batches/{id}", 200, _BATCH),
    running={
        "status": "in_progress", "in_progress_at": AT_S, "request_counts": {"total": 5, "completed": 2, "failed": 0},
    },
    output={"output_file_id": "file-cvaTdG", "error_file_id": "file-HOWS94", "failed": 1},
    completed={
        "status": "completed", "output_file_id": "file-cvaTdG", "error_file_id": "file-HOWS94", "completed_at": AT_S,
        "request_counts": {"total": 5, "completed": 2, "failed": 1},
    },
    cancel=Call(
        "POST", "/batches/{id}/cancel", 200,
        _BATCH | {"status": "cancelled", "cancelled_at": AT_S, "cancelling_at": AT_S},
    ),
    failed={
        "status": "failed", "failed_at": AT_S, "in_progress_at": AT_S,
        "errors": {
            "object": "list",
            "data": [{"code": "invalid_json_line", "message": "Not JSON", "param": None, "line": 3}],
        },
    },
    id_of_nobody="batch_" + "0" * 26,
    nobody={
        "error": {
            "message": "there is no such job; check the id and that it is your account's",
            "type": "invalid_request_error", "param": None, "code": "not_found",
        }
    },
)  # fmt: skip

_VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
_PREDICTION = {
    "id": "{id}", "model": "replicate/hello-world", "version": _VERSION, "input": {"text": "Alice"}, "logs": "",
    "output": None, "data_removed": False, "error": None, "status": "starting", "created_at": MICROSECONDS,
    "started_at": None, "completed_at": None,
    "urls": {
        "cancel": "{origin}/replicate/v1/predictions/{id}/cancel", "get": "{origin}/replicate/v1/predictions/{id}",
    },
}  # fmt: skip

REPLICATE_STORY = Story(
    dialect=REPLICATE,
    submit=Call("POST", "/predictions", 201, _PREDICTION, {"version": _VERSION, "input": {"text": "Alice"}}),
    id_at=("id",),
    id_pattern=r"[0-9a-v]{26}",
    status=Call("GET", "/predictions/{id}", 200, _PREDICTION),
    running={"status": "processing", "started_at": MICROSECONDS},
    output="hello Alice",
    completed={"status": "succeeded", "output": "hello Alice", "completed_at": MICROSECONDS},
    cancel=Call(
        "POST", "/predictions/{id}/cancel", 200, _PREDICTION | {"status": "canceled", "completed_at": MICROSECONDS}
    ),
    failed={"status": "failed", "error": "Not JSON", "started_at": MICROSECONDS, "completed_at": MICROSECONDS},
    id_of_nobody="0" * 26,
    nobody={
        "detail": "there is no such job; check the id and that it is your account's", "status": 404,
        "title": "Not Found",
    },
)  # fmt: skip

_CRAWL = {
    "status": "scraping", "total": 0, "completed": 0, "creditsUsed": 0, "expiresAt": DAY_LATER, "next": None,
    "data": [],
}  # fmt: skip
_PAGES = [{"markdown": "# Docs", "metadata": {"sourceURL": "https://docs.example.com", "statusCode": 200}}]

FIRECRAWL_STORY = Story(
    dialect=FIRECRAWL,
    submit=Call(
        "POST", "/crawl", 200, {"success": True, "id": "{id}", "url": "{origin}/firecrawl/v1/crawl/{id}"},
        {"url": "https://docs.example.com", "limit": 10, "scrapeOptions": {"formats": ["markdown"]}},
    ),
    id_at=("id",),
    id_pattern=r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    status=Call("GET", "/crawl/{id}", 200, _CRAWL),
    running={"total": 5, "completed": 2, "creditsUsed": 2},
    output={"data": _PAGES},
    completed={"status": "completed", "data": _PAGES},
    cancel=Call("DELETE", "/crawl/{id}", 200, {"status": "cancelled"}),
    failed={"status": "failed", "error": "Not JSON"},
    id_of_nobody="123e4567-e89b-12d3-a456-426614174000",
    nobody={"success": False, "error": "there is no such job; check the id and that it is your account's"},
)  # fmt: skip

_RUN = {
    "id": "{id}", "actId": "mTD6bTz2HCjSQHeBn", "startedAt": MILLISECONDS, "finishedAt": None, "status": "READY",
    "statusMessage": None, "isStatusMessageTerminal": False, "meta": {"origin": "API"}, "exitCode": None,
    "defaultDatasetId": None,
}  # fmt: skip

APIFY_STORY = Story(
    dialect=APIFY,
    submit=Call("POST", "/acts/mTD6bTz2HCjSQHeBn/runs?waitForFinish=0", 201, {"data": _RUN}, {"startUrls": []}),
    id_at=("data", "id"),
    status_at=("data",),
    id_pattern=r"[0-9a-v]{26}",
    status=Call("GET", "/actor-runs/{id}", 200, {"data": _RUN}),
    running={"status": "RUNNING"},
    progress={"statusMessage": "Crawled 2 of 5 pages"},
    output={"defaultDatasetId": "wmKPijuyDnPZAPRMk"},
    completed={
        "status": "SUCCEEDED", "finishedAt": MILLISECONDS, "isStatusMessageTerminal": True, "exitCode": 0,
        "defaultDatasetId": "wmKPijuyDnPZAPRMk",
    },
    cancel=Call(
        "POST", "/actor-runs/{id}/abort", 200,
        {"data": _RUN | {"status": "ABORTED", "finishedAt": MILLISECONDS, "isStatusMessageTerminal": True}},
    ),
    failed={
        "status": "FAILED", "finishedAt": MILLISECONDS, "isStatusMessageTerminal": True, "exitCode": 1,
        "statusMessage": "Not JSON",
    },
    id_of_nobody="0" * 26,
    nobody={"error": {"type": "record-not-found", "message": "Actor run was not found"}},
)  # fmt: skip

_EXPORT = "{ products { edges { node { id } } } }"
_OPERATION = {
    "id": "{id}", "status": "CREATED", "errorCode": None, "createdAt": SECONDS, "completedAt": None,
    "objectCount": "0", "fileSize": None, "url": None, "partialDataUrl": None, "query": _EXPORT, "type": "QUERY",
}  # fmt: skip
_RUN_QUERY = (
    'mutation { bulkOperationRunQuery(query: """%s""") { bulkOperation { id status } userErrors { message } } }'
)
_CANCEL = 'mutation { bulkOperationCancel(id: "{id}") { bulkOperation { status } userErrors { message } } }'
_NODE = 'query { node(id: "{id}") { ... on BulkOperation { id status objectCount url } } }'

SHOPIFY_STORY = Story(
    dialect=SHOPIFY,
    submit=Call(
        "POST", "/graphql.json", 200,
        {"data": {"bulkOperationRunQuery": {"bulkOperation": _OPERATION, "userErrors": []}}},
        {"query": _RUN_QUERY % _EXPORT},
    ),
    id_at=("data", "bulkOperationRunQuery", "bulkOperation", "id"),
    status_at=("data", "node"),
    id_pattern=r"gid://shopify/BulkOperation/[1-9][0-9]*",
    status=Call("POST", "/graphql.json", 200, {"data": {"node": _OPERATION}}, {"query": _NODE}),
    running={"status": "RUNNING", "objectCount": "2"},
    output={"url": "https://files.example.com/7.jsonl", "fileSize": 1_024},
    completed={
        "status": "COMPLETED", "completedAt": SECONDS, "url": "https://files.example.com/7.jsonl", "fileSize": "1024",
    },
    cancel=Call(
        "POST", "/graphql.json", 200,
        {"data": {"bulkOperationCancel": {"bulkOperation": _OPERATION | {"status": "CANCELED"}, "userErrors": []}}},
        {"query": _CANCEL},
    ),
    failed={"status": "FAILED", "errorCode": "INTERNAL_SERVER_ERROR"},
    id_of_nobody="gid://shopify/BulkOperation/999999",
    nobody={
        "errors": [
            {
                "message": "there is no such job; check the id and that it is your account's",
                "extensions": {"code": "NOT_FOUND"},
            }
        ]
    },
)  # fmt: skip

STORIES = (OPENAI_STORY, REPLICATE_STORY, FIRECRAWL_STORY, APIFY_STORY, SHOPIFY_STORY)
