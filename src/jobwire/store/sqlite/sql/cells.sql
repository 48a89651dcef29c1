-- :add
INSERT INTO cell (queue, level, priority, cell, n)
SELECT :queue, l.key, :priority, c.key, c.value FROM jsonb_each(:levels) AS l, json_each(l.value) AS c WHERE true
ON CONFLICT (queue, level, priority, cell) DO UPDATE SET n = n + excluded.n;
-- :lanes_of
SELECT json_group_array(json_array(queue, priority, json(leaves))) FROM
  (SELECT queue, priority, json_group_object(leaf, n) AS leaves FROM
    (SELECT j.queue, j.priority, j.turn >> 23 AS leaf, count(*) AS n
       FROM json_each(:numbers) AS w
      CROSS JOIN job AS j ON j.number = w.value CROSS JOIN state AS s ON s.number = j.number
      WHERE s.run_at IS NULL
      GROUP BY j.queue, j.priority, leaf)
    GROUP BY queue, priority);
-- :position
-- Counted from the edge of a leaf that is nearer, on or back: 4,194,304 is half of one.
SELECT coalesce((SELECT sum(n) FROM cell
                  WHERE queue = :queue AND level = 3 AND (priority, cell) < (:priority, :turn >> 41)), 0)
     + coalesce((SELECT sum(n) FROM cell
                  WHERE queue = :queue AND level = 2 AND priority = :priority
                    AND cell >= (:turn >> 41) << 6 AND cell < :turn >> 35), 0)
     + coalesce((SELECT sum(n) FROM cell
                  WHERE queue = :queue AND level = 1 AND priority = :priority
                    AND cell >= (:turn >> 35) << 6 AND cell < :turn >> 29), 0)
     + coalesce((SELECT sum(n) FROM cell
                  WHERE queue = :queue AND level = 0 AND priority = :priority
                    AND cell >= (:turn >> 29) << 6 AND cell < (:turn + 4194304) >> 23), 0)
     + (SELECT count(*) FROM ready
         WHERE queue = :queue AND priority = :priority AND turn >= ((:turn + 4194304) >> 23) << 23
           AND (turn, number) < (:turn, :number))
     - (SELECT count(*) FROM ready
         WHERE queue = :queue AND priority = :priority AND turn < ((:turn + 4194304) >> 23) << 23
           AND (turn, number) >= (:turn, :number))
     + (SELECT count(*) FROM blocked
         WHERE queue = :queue AND priority = :priority AND turn >= ((:turn + 4194304) >> 23) << 23
           AND (turn, number) < (:turn, :number))
     - (SELECT count(*) FROM blocked
         WHERE queue = :queue AND priority = :priority AND turn < ((:turn + 4194304) >> 23) << 23
           AND (turn, number) >= (:turn, :number)),
       (SELECT scope FROM blocked
         WHERE queue = :queue AND priority = :priority AND turn = :turn AND number = :number);
-- :fold
DELETE FROM cell WHERE (queue, level, priority, cell) IN
  (SELECT queue, level, priority, cell FROM cell WHERE n = 0 LIMIT :limit)
RETURNING n;
