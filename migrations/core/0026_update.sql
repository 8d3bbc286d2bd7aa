-- One more verb: `update`. A CHECK cannot be changed, so the column is made anew, whatever other columns there are.
ALTER TABLE jobs RENAME COLUMN verb TO verb_before;
ALTER TABLE jobs ADD COLUMN verb TEXT NOT NULL DEFAULT 'ping' CHECK (verb IN ('deploy', 'rollback', 'cancel', 'stop', 'restart', 'scale', 'remove_project', 'ping', 'inspect', 'update'));
UPDATE jobs SET verb = verb_before;
ALTER TABLE jobs DROP COLUMN verb_before;
