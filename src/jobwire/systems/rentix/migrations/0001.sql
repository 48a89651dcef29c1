-- Ids are handed out from one row a table, so that they grow on every engine and none is given twice.
CREATE TABLE rentix_sequence (
    name TEXT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);
INSERT INTO rentix_sequence (name, last) VALUES ('agency', 0), ('listing', 0), ('media', 0), ('agent', 0);

CREATE TABLE rentix_agency (
    owner BIGINT NOT NULL PRIMARY KEY,
    id BIGINT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE rentix_listing (
    id BIGINT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    external_id TEXT,
    status TEXT NOT NULL,
    form TEXT NOT NULL,
    agent BIGINT,
    job BIGINT,
    closed_job BIGINT,
    revision BIGINT NOT NULL,
    finding TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    synced_at BIGINT
);
CREATE UNIQUE INDEX rentix_listing_external ON rentix_listing (owner, external_id);
CREATE INDEX rentix_listing_owner ON rentix_listing (owner, id);

-- What a month's limit counts: listings whose publication was accepted; a failed first publication is taken back.
CREATE TABLE rentix_publication (
    owner BIGINT NOT NULL,
    month TEXT NOT NULL,
    listing BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    PRIMARY KEY (owner, month, listing)
);

CREATE TABLE rentix_media (
    id BIGINT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    external_id TEXT,
    optimization TEXT NOT NULL,
    source_url TEXT,
    upload_sha256 TEXT,
    content_type TEXT,
    size_bytes BIGINT,
    report TEXT,
    error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX rentix_media_external ON rentix_media (owner, external_id);
CREATE INDEX rentix_media_owner ON rentix_media (owner, id);

CREATE TABLE rentix_listing_media (
    owner BIGINT NOT NULL,
    listing BIGINT NOT NULL,
    place BIGINT NOT NULL,
    media BIGINT NOT NULL,
    PRIMARY KEY (owner, listing, place)
);
CREATE INDEX rentix_listing_media_media ON rentix_listing_media (owner, media);

CREATE TABLE rentix_agent (
    id BIGINT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    external_id TEXT,
    name TEXT,
    phone TEXT,
    role TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX rentix_agent_external ON rentix_agent (owner, external_id);
CREATE INDEX rentix_agent_owner ON rentix_agent (owner, id);
