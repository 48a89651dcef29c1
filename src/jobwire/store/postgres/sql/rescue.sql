-- :expired
SELECT l.number, l.fence, s.attempt, j.attempts_max, s.losses, (s.cancel_requested_at IS NOT NULL)::int
  FROM lease AS l
  LEFT JOIN worker AS w ON w.id = l.worker
  JOIN state AS s ON s.number = l.number
  JOIN job AS j ON j.number = l.number
 WHERE (w.id IS NULL OR w.expires_at <= :now) AND s.state = 1 AND s.fence = l.fence
 ORDER BY l.number LIMIT :limit
   FOR UPDATE OF s SKIP LOCKED;
