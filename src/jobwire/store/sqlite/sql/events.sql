-- :log_new
INSERT INTO event (at, event, lo, hi, jobs)
SELECT :now, :event, :first, :last, json_group_array(json_array(number, 1))
  FROM job WHERE number BETWEEN :first AND :last;
-- :log
INSERT INTO event (at, event, lo, hi, jobs)
SELECT :now, :event, min(s.number), max(s.number), json_group_array(json_array(s.number, s.version))
  FROM json_each(:numbers) AS n CROSS JOIN state AS s ON s.number = n.value;
-- :tail
SELECT e.no, e.at, e.event, j.value ->> 0, j.value ->> 1
  FROM (SELECT * FROM event WHERE no > :after ORDER BY no LIMIT :limit) AS e, json_each(e.jobs) AS j
 ORDER BY e.no, j.key;
-- :of_job
SELECT e.no, e.at, e.event, j.value ->> 0, j.value ->> 1
  FROM event AS e, json_each(e.jobs) AS j
 WHERE e.no > :after AND e.no <= :until AND :number BETWEEN e.lo AND e.hi AND j.value ->> 0 = :number
 ORDER BY e.no LIMIT :limit;
-- :last_at
SELECT at FROM event ORDER BY no DESC LIMIT 1;
-- :wanted
SELECT j.number, j.key, j.owner, j.kind, s.version, s.state, s.reason, s.attempt, s.run_at, s.cancel_requested_at,
       e.id, w.events
  FROM json_each(:numbers) AS n CROSS JOIN job AS j ON j.number = n.value JOIN state AS s ON s.number = j.number
  LEFT JOIN job_webhook AS w ON w.number = j.number
  LEFT JOIN webhook_endpoint AS e ON e.id = w.endpoint AND e.disabled_at IS NULL
 WHERE e.id IS NOT NULL
    OR EXISTS (SELECT 1 FROM webhook_endpoint AS o
                WHERE o.owner = j.owner AND o.is_ad_hoc = 0 AND o.disabled_at IS NULL);
-- :take_cursor
SELECT value FROM ledger WHERE name = :name;
