-- Requests that carry an Idempotency-Key: the answer of the first one, for a day.
CREATE TABLE idempotency_keys (
  -- SHA-256 of who asks and the key they sent.
  key TEXT PRIMARY KEY,
  -- SHA-256 of method, path and body.
  fingerprint TEXT NOT NULL,
  -- Encrypted with the data key for "idempotency/<key>"; NULL while the first request is worked on.
  answer TEXT,
  status INTEGER,
  created_at INTEGER NOT NULL,
  CHECK ((answer IS NULL) = (status IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);
