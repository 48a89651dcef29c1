-- An upload is announced, and has its bytes once sha256 is there.
CREATE TABLE apidatatools_upload (
    id TEXT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    filename TEXT NOT NULL,
    sha256 TEXT,
    size_bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX apidatatools_upload_owner ON apidatatools_upload (owner, expires_at);
CREATE INDEX apidatatools_upload_end ON apidatatools_upload (expires_at);

-- A result's random name is the permission to read it.
CREATE TABLE apidatatools_download (
    name TEXT NOT NULL PRIMARY KEY,
    owner BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    content_type TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX apidatatools_download_end ON apidatatools_download (expires_at);

-- The units an account may use in a calendar month (UTC), where they are not the setting's, and those it has used.
CREATE TABLE apidatatools_plan (
    owner BIGINT NOT NULL PRIMARY KEY,
    units BIGINT NOT NULL
);
CREATE TABLE apidatatools_usage (
    owner BIGINT NOT NULL,
    month TEXT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (owner, month)
);
