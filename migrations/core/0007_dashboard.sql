-- Failing projects, which the overview counts; kept by triggers like the other totals.
INSERT INTO totals (name, value) SELECT 'projects_failing', count(*) FROM projects WHERE failing = 1;

CREATE TRIGGER projects_count_failing AFTER UPDATE OF failing ON projects WHEN NEW.failing <> OLD.failing BEGIN UPDATE totals SET value = value + NEW.failing - OLD.failing WHERE name = 'projects_failing'; END;
CREATE TRIGGER projects_count_failing_gone AFTER DELETE ON projects WHEN OLD.failing = 1 BEGIN UPDATE totals SET value = value - 1 WHERE name = 'projects_failing'; END;

-- Since when no new deployments are queued on a server; NULL where they are.
ALTER TABLE servers ADD COLUMN draining_since INTEGER;

-- One more verb: `inspect`. A CHECK cannot be changed, so the column is made anew, whatever other columns there are.
ALTER TABLE jobs RENAME COLUMN verb TO verb_before;
ALTER TABLE jobs ADD COLUMN verb TEXT NOT NULL DEFAULT 'ping' CHECK (verb IN ('deploy', 'rollback', 'cancel', 'stop', 'restart', 'remove_project', 'ping', 'inspect'));
UPDATE jobs SET verb = verb_before;
ALTER TABLE jobs DROP COLUMN verb_before;
