-- Which document came of which row of an imported file: the same row again adds nothing.
CREATE TABLE fifthelement_row_key (
    owner BIGINT NOT NULL,
    repository TEXT NOT NULL,
    row_key TEXT NOT NULL,
    row_hash TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (owner, repository, row_key)
);
CREATE INDEX fifthelement_row_key_document ON fifthelement_row_key (owner, document);

-- How far the imports have come that are not final yet, in bytes of their rows.
CREATE TABLE fifthelement_import (
    owner BIGINT NOT NULL,
    job BIGINT NOT NULL,
    kept_bytes BIGINT NOT NULL,
    added BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    PRIMARY KEY (owner, job)
);
