-- Sites that owners have connected; `secret` is the application password, sealed (sealing.py).
CREATE TABLE docswrite_site (
    id TEXT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    root TEXT NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    login TEXT NOT NULL,
    secret TEXT NOT NULL,
    is_default BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX docswrite_site_root ON docswrite_site (owner, root);

-- Documents that were uploaded; each holds its file.
CREATE TABLE docswrite_document (
    id TEXT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    name TEXT NOT NULL,
    form TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX docswrite_document_owner ON docswrite_document (owner, id);

-- The posts that were made, by the mark of their document.
CREATE TABLE docswrite_post (
    owner BIGINT NOT NULL,
    root TEXT NOT NULL,
    mark TEXT NOT NULL,
    kind TEXT NOT NULL,
    post BIGINT NOT NULL,
    PRIMARY KEY (owner, root, mark, kind)
);

-- The ids that jobs have on the wire; `seen_at` is when the job was last known to be there.
CREATE TABLE docswrite_job (
    id TEXT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    job BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX docswrite_job_seen ON docswrite_job (seen_at, id);
