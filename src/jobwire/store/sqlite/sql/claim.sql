-- :pick
SELECT json_group_array(json_array(priority, turn, number))
  FROM (SELECT priority, turn, number FROM ready
         WHERE queue = :queue ORDER BY priority, turn, number LIMIT :limit);
-- :take
DELETE FROM ready
 WHERE queue = :queue AND (priority, turn, number) <= (:priority, :turn, :number);
-- :start
UPDATE state
   SET state = 1, reason = 0, version = version + 1, fence = fence + 1, attempt = attempt + 1,
       started_at = :now
 WHERE number IN (SELECT value FROM json_each(:numbers)) AND state = 0;
-- :lease
INSERT INTO lease (number, fence, worker)
SELECT s.number, s.fence, :worker FROM json_each(:numbers) AS n CROSS JOIN state AS s ON s.number = n.value;
-- :move_lane
INSERT INTO lane (queue, priority, now_turn) VALUES (:queue, :priority, :turn)
ON CONFLICT (queue, priority) DO UPDATE SET now_turn = max(now_turn, excluded.now_turn);
-- :claimed
SELECT json_group_array(json_array(s.number, s.fence, j.key, j.owner, j.kind, s.attempt, j.attempts_max, s.losses,
                                   j.created_at, j.input, s.progress))
  FROM json_each(:numbers) AS n
 CROSS JOIN state AS s ON s.number = n.value
 CROSS JOIN job AS j ON j.number = s.number;
