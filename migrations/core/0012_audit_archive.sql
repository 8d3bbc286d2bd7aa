-- Old segments of the audit trail leave this database for the bucket, with their rows. Only what is said here to be there may
-- be deleted.
CREATE TABLE audit_archives (
  -- Id of the last row that is in it; the first is the one after the archive before.
  last INTEGER PRIMARY KEY,
  -- Number and head of its last segment.
  number INTEGER NOT NULL,
  head TEXT NOT NULL,
  -- The object's name in the bucket.
  object TEXT NOT NULL,
  archived_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_archives_never_change BEFORE UPDATE ON audit_archives BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_archives_never_go BEFORE DELETE ON audit_archives BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
-- In order, of sealed rows, never the newest segment (the next one is chained to it, and ids go on from it), and nothing of the
-- last 90 days: who can write here can still not take away what was done lately.
CREATE TRIGGER audit_archives_follow BEFORE INSERT ON audit_archives WHEN NEW.last <= coalesce((SELECT max(last) FROM audit_archives), 0) OR NOT EXISTS (SELECT 1 FROM audit_segments WHERE last = NEW.last AND number = NEW.number AND head = NEW.head) OR NEW.last >= (SELECT max(last) FROM audit_segments) OR EXISTS (SELECT 1 FROM activity_logs WHERE id <= NEW.last AND at > unixepoch() * 1000 - 7776000000) BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

DROP TRIGGER activity_logs_never_go;
CREATE TRIGGER activity_logs_never_go BEFORE DELETE ON activity_logs WHEN OLD.id > coalesce((SELECT max(last) FROM audit_archives), 0) BEGIN SELECT RAISE(ABORT, 'activity is append-only'); END;
DROP TRIGGER audit_segments_never_go;
CREATE TRIGGER audit_segments_never_go BEFORE DELETE ON audit_segments WHEN OLD.last > coalesce((SELECT max(last) FROM audit_archives), 0) BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
-- What has left does not come again. For activity_logs the trigger activity_logs_come_in_order says so: its newest rows stay.
CREATE TRIGGER audit_segments_come_in_order BEFORE INSERT ON audit_segments WHEN NEW.last <= (SELECT max(last) FROM audit_segments) BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
