-- Kinds whose jobs end with a hook of their program.
CREATE TABLE hooked_kind (kind text COLLATE "C" PRIMARY KEY);

-- Jobs that were ended by a process which does not have that hook; one that has it runs it and deletes the row.
CREATE TABLE unheard_end (number bigint PRIMARY KEY);
