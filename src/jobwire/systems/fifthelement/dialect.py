"""fifthelement on the wire, as data. job_shape.py has its job, routes_*.py its resources."""

from jobwire.dialects.sent import PageField, PageWords
from jobwire.dialects.spec import Carrier, Dialect, Envelope, ErrorField, RateLimit, Route, Wait
from jobwire.systems.fifthelement import (
    described,
    routes_chat,
    routes_documents,
    routes_jobs,
    routes_repositories,
    routes_tokens,
)
from jobwire.systems.fifthelement.bodies import (
    ChatBody,
    DocumentBody,
    DocumentChange,
    QueryBody,
    RepositoryBody,
    RepositoryChange,
    TokenBody,
)
from jobwire.systems.fifthelement.crawling import CrawlBody
from jobwire.systems.fifthelement.embedding import EmbedBody
from jobwire.systems.fifthelement.error_words import ERRORS
from jobwire.systems.fifthelement.exporting import ExportBody
from jobwire.systems.fifthelement.job_shape import IDS, JOB, PHASES, REFERENCE
from jobwire.systems.fifthelement.members import IDENTITY_HEADER, admit
from jobwire.systems.fifthelement.starting import KINDS

BODY_BYTES_MAX = 8 * 1024 * 1024
CANCEL_WAIT_S = 10

JOBS_PAGE = PageWords(
    query={"phase": "status", "kind": "type", "start": "start", "limit": "limit"},
    fields=(
        PageField("jobs", "jobs"),
        PageField("pagination.total", "total"),
        PageField("pagination.start", "start"),
        PageField("pagination.limit", "limit"),
    ),
)

FIFTHELEMENT = Dialect(
    name="fifthelement",
    title="Fifthelement API",
    mount="/v1/api",
    credentials=(Carrier("Authorization", scheme="Bearer"),),
    challenge='Bearer realm="fifthelement"',
    kinds=KINDS,
    phases=PHASES,
    ids=IDS,
    job=JOB,
    job_reference=REFERENCE,
    envelope=Envelope("data", last={"error": None}),
    error_body=(
        ErrorField("data"),
        ErrorField("error.name", "word"),
        ErrorField("error.message", "message"),
        ErrorField("error.details", "named_details"),
    ),
    errors=ERRORS,
    body_bytes_max=BODY_BYTES_MAX,
    limits=(RateLimit("hour", 1_000, 3_600, tiers={"standard": 1_000, "premium": 10_000, "enterprise": 100_000}),),
    default_limits=("hour",),
    retry_after_s=1,
    ignores_trailing_slash=True,
    identity_header=IDENTITY_HEADER,
    documentation="/v1/documentation",
    hooks={"admit": admit},
    routes=(
        Route("GET", "/jobs", "list", scope="jobs:read", page=JOBS_PAGE, summary="List your jobs, newest first"),
        Route("GET", "/jobs/{id}", "status", scope="jobs:read", summary="Read the state of a job"),
        Route(
            "POST", "/jobs/{id}/rerun", endpoint=routes_jobs.post_rerun, scope="jobs:write",
            response=described.RunAgain, summary="Run a completed or failed job again, as a new job",
        ),
        Route(
            "POST", "/jobs/{id}/cancel", "cancel", scope="jobs:write",
            wait=Wait(prefers=False, seconds_default=CANCEL_WAIT_S), summary="Cancel a job",
        ),
        Route(
            "POST", "/repositories", endpoint=routes_repositories.post_repository, scope="jobs:write", body="json",
            request=RepositoryBody, response=described.Repository, summary="Create a repository",
        ),
        Route(
            "GET", "/repositories", endpoint=routes_repositories.get_repositories, scope="jobs:read",
            response=described.Repositories, notes=described.PAGED, summary="List the repositories",
        ),
        Route(
            "GET", "/repositories/{repositoryId}", endpoint=routes_repositories.get_repository, scope="jobs:read",
            response=described.Repository, summary="Read a repository",
        ),
        Route(
            "PUT", "/repositories/{repositoryId}", endpoint=routes_repositories.put_repository, scope="jobs:write",
            body="json", request=RepositoryChange, response=described.Repository, summary="Change a repository",
        ),
        Route(
            "DELETE", "/repositories/{repositoryId}", endpoint=routes_repositories.remove_repository,
            scope="jobs:write", response=described.Deleted, summary="Delete a repository with all that is in it",
        ),
        Route(
            "POST", "/repositories/{repositoryId}/crawl", endpoint=routes_jobs.post_crawl, scope="jobs:write",
            body="json", request=CrawlBody, response=described.Started, summary="Crawl a site into a repository",
        ),
        Route(
            "POST", "/repositories/{repositoryId}/regenerate", endpoint=routes_jobs.post_regenerate,
            scope="jobs:write", body="json_or_none", request=EmbedBody, response=described.Started,
            summary="Embed a repository's documents",
        ),
        Route(
            "POST", "/repositories/{repositoryId}/export", endpoint=routes_jobs.post_export, scope="jobs:write",
            body="json_or_none", request=ExportBody, response=described.Started,
            summary="Export a repository to a file",
        ),
        Route(
            "POST", "/repositories/{repositoryId}/import", endpoint=routes_jobs.post_import, scope="jobs:write",
            body="upload", body_bytes_max=routes_jobs.IMPORT_BYTES_MAX, response=described.Started,
            notes=described.IMPORTED,
            summary="Import the rows of a file",
        ),
        Route(
            "GET", "/repositories/{repositoryId}/documents", endpoint=routes_documents.get_documents,
            scope="jobs:read", response=described.Documents, notes=described.PAGED,
            summary="List a repository's documents",
        ),
        Route(
            "POST", "/repositories/{repositoryId}/documents", endpoint=routes_documents.post_document,
            scope="jobs:write", body="json", request=DocumentBody, response=described.SavedDocument,
            summary="Create a document of a text",
        ),
        Route(
            "POST", "/repositories/{repositoryId}/documents/upload", endpoint=routes_documents.post_upload,
            scope="jobs:write", body="upload", body_bytes_max=routes_documents.UPLOAD_BYTES_MAX,
            response=described.SavedDocument, notes=described.UPLOADED, summary="Create a document of a file",
        ),
        Route(
            "POST", "/repositories/{repositoryId}/documents/query", endpoint=routes_repositories.post_query,
            scope="jobs:read", body="json", request=QueryBody, response=described.Passages,
            summary="Find passages by meaning",
        ),
        Route(
            "GET", "/repositories/{repositoryId}/documents/{documentId}", endpoint=routes_documents.get_document,
            scope="jobs:read", response=described.Document, summary="Read a document",
        ),
        Route(
            "PUT", "/repositories/{repositoryId}/documents/{documentId}", endpoint=routes_documents.put_document,
            scope="jobs:write", body="json", request=DocumentChange, response=described.SavedDocument,
            summary="Change a document",
        ),
        Route(
            "DELETE", "/repositories/{repositoryId}/documents/{documentId}",
            endpoint=routes_documents.remove_document, scope="jobs:write", response=described.Deleted,
            summary="Delete a document",
        ),
        Route(
            "POST", "/user-api-tokens", endpoint=routes_tokens.post_token, scope="jobs:write", body="json",
            request=TokenBody, response=described.NewToken, summary="Make a key of your own",
        ),
        Route(
            "GET", "/user-api-tokens", endpoint=routes_tokens.get_tokens, scope="jobs:read",
            response=described.Tokens, summary="List the keys made here",
        ),
        Route(
            "DELETE", "/user-api-tokens/{tokenId}", endpoint=routes_tokens.remove_token, scope="jobs:write",
            response=described.Deleted, summary="End a key made here",
        ),
        Route(
            "POST", "/chat/{agent}", endpoint=routes_chat.post_chat, scope="jobs:read", body="json", status=404,
            request=ChatBody, notes=described.CHAT, summary="Write to an agent; there are none here",
        ),
    ),
)  # fmt: skip
