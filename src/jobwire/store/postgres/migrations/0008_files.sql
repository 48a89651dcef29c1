-- Who needs which kept file; a file without a row here is removed. The holder is a job or a row of a system.
CREATE TABLE file_hold (
  holder text COLLATE "C" NOT NULL,
  sha256 text COLLATE "C" NOT NULL,
  expires_at bigint,
  PRIMARY KEY (holder, sha256)
);
CREATE INDEX file_hold_by_address ON file_hold (sha256);
CREATE INDEX file_hold_by_expiry ON file_hold (expires_at) WHERE expires_at IS NOT NULL;

-- What is there names its files.
INSERT INTO file_hold (holder, sha256)
SELECT 'job:' || number, part[1]
  FROM (SELECT number, input AS text FROM job UNION ALL SELECT number, output FROM state
        UNION ALL SELECT number, output FROM step) AS named,
       regexp_matches(named.text, '"sha256":"([0-9a-f]{64})"', 'g') AS part
 WHERE named.text LIKE '%"sha256":"%'
ON CONFLICT DO NOTHING;
