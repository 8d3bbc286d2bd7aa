-- What runners tell while they deploy: one row for each accepted batch, so that a batch that arrives twice is one
-- row. `body` is the JSON list of events. Written by the events route, pruned with its deployment.
CREATE TABLE deployment_events (
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt > 0),
  first INTEGER NOT NULL CHECK (first > 0),
  last INTEGER NOT NULL CHECK (last >= first),
  sha256 TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (job, attempt, first)
) STRICT, WITHOUT ROWID;
