-- Repositories, their documents, the jobs that work on them, and who may act for a workspace.
CREATE TABLE fifthelement_repository (
    id TEXT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    vector_store TEXT NOT NULL,
    batch_model TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX fifthelement_repository_owner ON fifthelement_repository (owner, id);

-- A text up to 64 KiB stands in `content`, a longer one in the blob of `text_blob`.
CREATE TABLE fifthelement_document (
    id TEXT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    repository TEXT NOT NULL,
    title TEXT NOT NULL,
    media_type TEXT,
    status TEXT NOT NULL,
    text_blob TEXT,
    content TEXT,
    source_blob TEXT,
    source_url TEXT,
    metadata TEXT NOT NULL,
    error TEXT,
    content_sha256 TEXT,
    revision BIGINT NOT NULL,
    job BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX fifthelement_document_repository ON fifthelement_document (owner, repository, id);
CREATE INDEX fifthelement_document_job ON fifthelement_document (owner, job);

-- The jobs that are not final yet, by what they work on.
CREATE TABLE fifthelement_job (
    owner BIGINT NOT NULL,
    job BIGINT NOT NULL,
    repository TEXT NOT NULL,
    document TEXT,
    PRIMARY KEY (owner, job)
);
CREATE INDEX fifthelement_job_repository ON fifthelement_job (owner, repository);
CREATE INDEX fifthelement_job_document ON fifthelement_job (owner, document);

CREATE TABLE fifthelement_member (
    owner BIGINT NOT NULL,
    email TEXT NOT NULL,
    permissions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner, email)
);

CREATE TABLE fifthelement_token (
    owner BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner, key_id)
);
