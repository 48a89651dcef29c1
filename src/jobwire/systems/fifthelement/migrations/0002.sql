-- How each document is cut, of which revision: `offsets` is JSON, [[start, end], …] in characters of the text.
CREATE TABLE fifthelement_cut (
    owner BIGINT NOT NULL,
    document TEXT NOT NULL,
    repository TEXT NOT NULL,
    revision BIGINT NOT NULL,
    pages BIGINT NOT NULL,
    chunks BIGINT NOT NULL,
    offsets TEXT NOT NULL,
    warnings TEXT NOT NULL,
    PRIMARY KEY (owner, document)
);
CREATE INDEX fifthelement_cut_repository ON fifthelement_cut (owner, repository, document);

-- REAL[] is PostgreSQL's array; SQLite takes the name and keeps 32-bit floats in a blob, as sqlite-vec wants them.
CREATE TABLE fifthelement_vector (
    owner BIGINT NOT NULL,
    repository TEXT NOT NULL,
    document TEXT NOT NULL,
    place BIGINT NOT NULL,
    start_offset BIGINT NOT NULL,
    end_offset BIGINT NOT NULL,
    model TEXT NOT NULL,
    vector REAL[] NOT NULL,
    PRIMARY KEY (owner, repository, document, place)
);
CREATE INDEX fifthelement_vector_document ON fifthelement_vector (owner, document);
CREATE INDEX fifthelement_vector_model ON fifthelement_vector (owner, repository, model);
