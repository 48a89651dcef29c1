-- What each page of a repository gave at its last visit. A page without a document was no text, moved, or is gone.
CREATE TABLE fifthelement_page (
    owner BIGINT NOT NULL,
    repository TEXT NOT NULL,
    url_key TEXT NOT NULL,
    url TEXT NOT NULL,
    document TEXT,
    text_key TEXT,
    etag TEXT,
    last_modified TEXT,
    links TEXT NOT NULL,
    visited_at BIGINT NOT NULL,
    PRIMARY KEY (owner, repository, url_key)
);
CREATE INDEX fifthelement_page_text ON fifthelement_page (owner, repository, text_key);
CREATE INDEX fifthelement_page_document ON fifthelement_page (owner, document);

-- The pages that crawls which are not final know; without an outcome they wait.
CREATE TABLE fifthelement_crawl_url (
    owner BIGINT NOT NULL,
    job BIGINT NOT NULL,
    place BIGINT NOT NULL,
    url TEXT NOT NULL,
    depth BIGINT NOT NULL,
    hops BIGINT NOT NULL,
    outcome TEXT,
    code TEXT,
    message TEXT,
    PRIMARY KEY (owner, job, place)
);

-- When a host may be asked next, by any crawl in any process.
CREATE TABLE fifthelement_host (
    authority TEXT NOT NULL PRIMARY KEY,
    next_at BIGINT NOT NULL
);
