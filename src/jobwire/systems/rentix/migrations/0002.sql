-- Files that are here hold what they refer to: an upload, and every address in a report.
INSERT INTO file_hold (holder, sha256)
SELECT 'rentix:media:' || id, upload_sha256 FROM rentix_media WHERE upload_sha256 IS NOT NULL;

INSERT INTO file_hold (holder, sha256)
WITH RECURSIVE place(media, report, n) AS (
  SELECT id, report, 1 FROM rentix_media WHERE report IS NOT NULL
  UNION ALL
  SELECT media, report, n + 1 FROM place WHERE n < length(report)
)
SELECT DISTINCT 'rentix:media:' || media, substr(report, n + 10, 64)
  FROM place WHERE substr(report, n, 10) = '"sha256":"'
ON CONFLICT (holder, sha256) DO NOTHING;
