-- What leaves this installation: whom to tell (endpoints), and each message on its way or over (outbox).
CREATE TABLE endpoints (
  id TEXT PRIMARY KEY,
  -- NULL: of all projects.
  project TEXT REFERENCES projects (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('webhook', 'slack', 'status')),
  name TEXT NOT NULL,
  -- Where it goes, as far as that may be shown.
  address TEXT NOT NULL,
  -- JSON of the whole address and the secrets, encrypted with the data key for "endpoint/<id>".
  sealed TEXT NOT NULL,
  -- JSON list of the events that it is told.
  events TEXT NOT NULL,
  -- Since when it has taken nothing; NULL where it took the last one.
  failing_since INTEGER,
  -- Why it is told nothing any more, in words; NULL where it is.
  disabled TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CHECK (kind <> 'status' OR project IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX endpoints_by_project ON endpoints (project);

-- One row a message and endpoint, written in the transaction of what it tells about.
CREATE TABLE outbox (
  endpoint TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
  -- The same in all attempts: the deployment and how far it was, as in dep_….2.
  id TEXT NOT NULL,
  event TEXT NOT NULL,
  deployment TEXT,
  -- When it happened.
  at INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'given_up', 'overtaken')),
  attempts INTEGER NOT NULL DEFAULT 0,
  -- When it is tried next.
  next_at INTEGER,
  -- Whose attempt is under way, and until when nobody else makes one.
  claim TEXT,
  claimed_until INTEGER NOT NULL DEFAULT 0,
  -- What came of the last attempt: when, HTTP status, how long it took in milliseconds, in words.
  tried_at INTEGER,
  status INTEGER,
  ms INTEGER,
  detail TEXT,
  PRIMARY KEY (endpoint, id),
  CHECK ((state = 'waiting') = (next_at IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_due ON outbox (next_at) WHERE next_at IS NOT NULL;

CREATE TRIGGER deployments_tell_of_new AFTER INSERT ON deployments BEGIN INSERT INTO outbox (endpoint, id, event, deployment, at, next_at) SELECT e.id, NEW.id || '.0', 'queued', NEW.id, NEW.queued_at, NEW.queued_at FROM endpoints e WHERE (e.project = NEW.project OR e.project IS NULL) AND e.disabled IS NULL AND instr(e.events, '"queued"') > 0; END;

-- BEFORE, so that `projects.failing` still says how the deployment before went. A second start (its first runner lost the job) is no news.
CREATE TRIGGER deployments_tell_of_state BEFORE UPDATE OF state ON deployments WHEN (OLD.state = 'queued' AND NEW.state = 'preparing') OR (NEW.state <> OLD.state AND NEW.state IN ('live', 'failed', 'rolled_back', 'cancelled', 'superseded')) BEGIN INSERT INTO outbox (endpoint, id, event, deployment, at, next_at) SELECT e.id, NEW.id || iif(NEW.state = 'preparing', '.1', '.2'), iif(NEW.state = 'preparing', 'started', NEW.state), NEW.id, coalesce(NEW.finished_at, NEW.started_at, NEW.queued_at), coalesce(NEW.finished_at, NEW.started_at, NEW.queued_at) FROM endpoints e WHERE (e.project = NEW.project OR e.project IS NULL) AND e.disabled IS NULL AND instr(e.events, '"' || iif(NEW.state = 'preparing', 'started', NEW.state) || '"') > 0 ON CONFLICT (endpoint, id) DO NOTHING; INSERT INTO outbox (endpoint, id, event, deployment, at, next_at) SELECT e.id, NEW.id || '.3', 'recovered', NEW.id, NEW.finished_at, NEW.finished_at FROM endpoints e JOIN projects p ON p.id = NEW.project WHERE NEW.state = 'live' AND p.failing = 1 AND (e.project = NEW.project OR e.project IS NULL) AND e.disabled IS NULL AND instr(e.events, '"recovered"') > 0 ON CONFLICT (endpoint, id) DO NOTHING; END;
