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
