-- Who needs which kept file; a file without a row here is removed. The holder is a job or a row of a system.
CREATE TABLE file_hold (
  holder TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  expires_at BIGINT,
  PRIMARY KEY (holder, sha256)
) WITHOUT ROWID;
CREATE INDEX file_hold_by_address ON file_hold (sha256);
CREATE INDEX file_hold_by_expiry ON file_hold (expires_at) WHERE expires_at IS NOT NULL;

-- What is there names its files.
INSERT OR IGNORE INTO file_hold (holder, sha256)
SELECT 'job:' || number, part.value
  FROM (SELECT number, input AS text FROM job UNION ALL SELECT number, output FROM state
        UNION ALL SELECT number, output FROM step) AS named, json_tree(named.text) AS part
 WHERE named.text LIKE '%"sha256":"%' AND part.key = 'sha256' AND length(part.value) = 64;
