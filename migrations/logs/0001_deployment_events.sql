-- What runners tell while they work, packed: a row is a run of events without gaps, `body` their JSON list. Written
-- by the events route, pruned with its deployment.
CREATE TABLE deployment_events (
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt > 0),
  first INTEGER NOT NULL CHECK (first > 0),
  last INTEGER NOT NULL CHECK (last >= first),
  received_at INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (job, attempt, first)
) STRICT, WITHOUT ROWID;
