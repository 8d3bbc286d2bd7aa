-- The sealed audit trail: segments over the rows of activity_logs, in order. `devflow_protocol::audit` says what is signed.
CREATE TABLE audit_segments (
  -- Id of the last row that it seals; the first is the one after the segment before.
  last INTEGER PRIMARY KEY,
  number INTEGER NOT NULL,
  -- SHA-256 of the signed payload: what the next segment names as the one before.
  head TEXT NOT NULL,
  -- JSON of the signed segment.
  envelope TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_segments_never_change BEFORE UPDATE ON audit_segments BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_segments_never_go BEFORE DELETE ON audit_segments BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_segments_never_come_again BEFORE INSERT ON audit_segments WHEN EXISTS (SELECT 1 FROM audit_segments WHERE last = NEW.last) BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

-- What a row says about a person beside their id: the row has the salted hash only, so this can be erased without a
-- trace in the trail. It goes with the person.
CREATE TABLE activity_personal (
  activity INTEGER PRIMARY KEY,
  person TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  salt TEXT NOT NULL,
  value TEXT NOT NULL
) STRICT;

ALTER TABLE activity_logs ADD COLUMN personal TEXT;

-- Nothing is taken out, put in again or put in between. Before an insert the id of a new row is not known yet, so what is
-- below the newest is found after it.
CREATE TRIGGER activity_logs_never_go BEFORE DELETE ON activity_logs BEGIN SELECT RAISE(ABORT, 'activity is append-only'); END;
CREATE TRIGGER activity_logs_never_come_again BEFORE INSERT ON activity_logs WHEN EXISTS (SELECT 1 FROM activity_logs WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'activity is append-only'); END;
CREATE TRIGGER activity_logs_come_in_order AFTER INSERT ON activity_logs WHEN NEW.id < (SELECT max(id) FROM activity_logs) BEGIN SELECT RAISE(ABORT, 'activity is append-only'); END;
