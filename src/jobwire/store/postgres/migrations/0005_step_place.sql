-- The order in which a job's steps were completed: two of them may share a millisecond. Older ones share place 0, where
-- their times decide.
ALTER TABLE step ADD COLUMN place bigint NOT NULL DEFAULT 0;
