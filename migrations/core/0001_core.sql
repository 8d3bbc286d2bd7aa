-- Times are milliseconds since 1970, ids are TypeIDs, JSON is text. Names of states are those of the code.

-- Facts of this installation, one row each.
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The audience of all runner requests: pinned by each runner when it enrols, so it never changes.
INSERT INTO settings (name, value) VALUES ('edge_id', 'edge_' || lower(hex(randomblob(16))));

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  email TEXT NOT NULL COLLATE NOCASE UNIQUE,
  password_hash TEXT NOT NULL,
  -- For the fleet, and so for every project; NULL where there are roles of single projects only.
  role TEXT CHECK (role IN ('viewer', 'maintainer', 'admin', 'owner')),
  disabled_at INTEGER,
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX users_owners ON users (role) WHERE role = 'owner';

CREATE TABLE sessions (
  token_hash TEXT PRIMARY KEY,
  id TEXT NOT NULL,
  user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  -- When password or second factor were given last.
  proved_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- Browser and system in words, address and country of the last sign-in.
  device TEXT NOT NULL,
  address TEXT NOT NULL,
  country TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user);

CREATE TABLE api_keys (
  token_hash TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  scope TEXT NOT NULL CHECK (scope IN ('read', 'deploy', 'admin')),
  -- JSON list of the only projects that it reaches; NULL is all.
  projects TEXT,
  expires_at INTEGER,
  used_at INTEGER,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_by_user ON api_keys (user);

CREATE TABLE servers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL COLLATE NOCASE UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('pending', 'online', 'missing')),
  -- Public keys of the runner, base64; both or neither.
  signing_key TEXT,
  sealing_key TEXT,
  -- The newest session of the runner: session ids sort by time.
  session TEXT,
  last_sequence INTEGER NOT NULL DEFAULT 0,
  -- JSON of what the machine is.
  facts TEXT,
  created_at INTEGER NOT NULL,
  enrolled_at INTEGER,
  -- When `state` became what it is.
  state_at INTEGER NOT NULL,
  -- How many projects it has; kept by triggers.
  projects INTEGER NOT NULL DEFAULT 0,
  CHECK ((signing_key IS NULL) = (sealing_key IS NULL)),
  CHECK (state = 'pending' OR signing_key IS NOT NULL)
) STRICT;

CREATE TABLE enrolments (
  token_hash TEXT PRIMARY KEY,
  server TEXT NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
  id TEXT PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  server TEXT NOT NULL REFERENCES servers (id),
  state TEXT NOT NULL CHECK (state IN ('active', 'stopped', 'removing')),
  -- The ref that pushes deploy, whole.
  ref_name TEXT NOT NULL,
  -- The commit that the last push of this ref brought, whatever became of it.
  last_head TEXT,
  -- JSON of the settings, checked by the code that wrote it; what a job is built from.
  settings TEXT NOT NULL,
  environment_version INTEGER NOT NULL DEFAULT 0,
  -- What the runner last reported.
  live_deployment TEXT,
  kept_releases TEXT NOT NULL DEFAULT '[]',
  -- Whether the newest deployment that went to its end failed; kept by a trigger.
  failing INTEGER NOT NULL DEFAULT 0 CHECK (failing IN (0, 1)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX projects_by_server ON projects (server, slug);
-- What the overview filters by, in its order.
CREATE INDEX projects_failing ON projects (slug) WHERE failing = 1;
CREATE INDEX projects_stopped ON projects (slug) WHERE state = 'stopped';

-- What a project is found by: name, slug and host names, each from every word on, in small letters.
CREATE TABLE project_words (
  word TEXT NOT NULL,
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  PRIMARY KEY (word, project)
) STRICT, WITHOUT ROWID;

CREATE INDEX project_words_by_project ON project_words (project);

-- Counts that the overview shows, kept by the triggers below: counting would read every row on each view.
CREATE TABLE totals (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO totals (name, value) VALUES ('projects', 0), ('servers_pending', 0), ('servers_online', 0), ('servers_missing', 0);

CREATE TRIGGER projects_count_new AFTER INSERT ON projects BEGIN UPDATE totals SET value = value + 1 WHERE name = 'projects'; END;
CREATE TRIGGER projects_count_gone AFTER DELETE ON projects BEGIN UPDATE totals SET value = value - 1 WHERE name = 'projects'; END;
CREATE TRIGGER servers_gain_project AFTER INSERT ON projects BEGIN UPDATE servers SET projects = projects + 1 WHERE id = NEW.server; END;
CREATE TRIGGER servers_lose_project AFTER DELETE ON projects BEGIN UPDATE servers SET projects = projects - 1 WHERE id = OLD.server; END;
CREATE TRIGGER servers_count_new AFTER INSERT ON servers BEGIN UPDATE totals SET value = value + 1 WHERE name = 'servers_' || NEW.state; END;
CREATE TRIGGER servers_count_change AFTER UPDATE OF state ON servers WHEN NEW.state <> OLD.state BEGIN UPDATE totals SET value = value + (name = 'servers_' || NEW.state) - (name = 'servers_' || OLD.state) WHERE name IN ('servers_' || NEW.state, 'servers_' || OLD.state); END;
CREATE TRIGGER servers_count_gone AFTER DELETE ON servers BEGIN UPDATE totals SET value = value - 1 WHERE name = 'servers_' || OLD.state; END;

-- Encrypted with the data key for "environment/<project>/<version>".
CREATE TABLE environments (
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  version INTEGER NOT NULL CHECK (version > 0),
  sealed TEXT NOT NULL,
  names TEXT NOT NULL,
  -- Who made it, and JSON of the names that it added, changed and removed.
  actor TEXT NOT NULL,
  changes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (project, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE hooks (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  provider TEXT NOT NULL CHECK (provider IN ('github', 'gitlab', 'bitbucket', 'gitea', 'generic')),
  -- Encrypted with the data key for "hook/<id>".
  secret TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX hooks_by_project ON hooks (project);

CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  hook TEXT NOT NULL,
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  -- The provider's id of the delivery, or a hash of the body where it sends none.
  delivery_key TEXT NOT NULL,
  event_name TEXT NOT NULL,
  -- JSON of the normalised event.
  event TEXT NOT NULL CHECK (length(event) <= 8192),
  decision TEXT NOT NULL,
  reason TEXT NOT NULL,
  deployment TEXT,
  received_at INTEGER NOT NULL,
  UNIQUE (provider, hook, delivery_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_project ON deliveries (project, id);

CREATE TABLE deployments (
  id TEXT PRIMARY KEY,
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  server TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('deploy', 'rollback')),
  trigger_kind TEXT NOT NULL CHECK (trigger_kind IN ('push', 'manual', 'replay', 'found')),
  state TEXT NOT NULL CHECK (state IN ('queued', 'preparing', 'building', 'starting', 'migrating', 'checking',
    'switching', 'observing', 'live', 'failed', 'rolled_back', 'cancelled', 'superseded', 'out_of_contact')),
  -- Where it stood when its server went missing; goes on from there.
  state_before_silence TEXT,
  ref_name TEXT NOT NULL,
  commit_sha TEXT,
  subject TEXT,
  author TEXT,
  reason TEXT,
  delivery TEXT,
  -- The release that a rollback goes back to.
  target TEXT,
  force INTEGER NOT NULL DEFAULT 0 CHECK (force IN (0, 1)),
  -- JSON list of {step, outcome, ms}.
  steps TEXT NOT NULL DEFAULT '[]',
  manifest TEXT,
  queued_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  CHECK ((kind = 'rollback') = (target IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX deployments_by_project ON deployments (project, id);

-- One running deployment a project. `queued` is not among the states, or a second push would be refused.
CREATE UNIQUE INDEX deployments_one_running ON deployments (project) WHERE state IN
  ('preparing', 'building', 'starting', 'migrating', 'checking', 'switching', 'observing', 'out_of_contact');

-- What ended lately, for pages that are about something else.
CREATE INDEX deployments_ended ON deployments (finished_at) WHERE state IN ('live', 'failed', 'rolled_back');

CREATE TRIGGER deployments_tell_project AFTER UPDATE OF state ON deployments WHEN NEW.state IN ('live', 'failed', 'rolled_back') BEGIN UPDATE projects SET failing = (NEW.state <> 'live') WHERE id = NEW.project AND failing <> (NEW.state <> 'live'); END;

CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  server TEXT NOT NULL,
  project TEXT,
  deployment TEXT,
  verb TEXT NOT NULL CHECK (verb IN ('deploy', 'rollback', 'cancel', 'stop', 'restart', 'remove_project', 'ping')),
  -- The little that the verb needs beside project and deployment: the job to cancel, the slug to remove.
  arguments TEXT NOT NULL DEFAULT '{}',
  state TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'running', 'done', 'out_of_contact', 'abandoned')),
  attempt INTEGER NOT NULL DEFAULT 0,
  sequence INTEGER,
  lease TEXT,
  lease_expires_at INTEGER,
  -- The signed job, until it is acknowledged.
  envelope TEXT,
  outcome TEXT,
  created_at INTEGER NOT NULL,
  leased_at INTEGER,
  acked_at INTEGER,
  finished_at INTEGER,
  CHECK (state NOT IN ('leased', 'running', 'out_of_contact') OR lease IS NOT NULL),
  CHECK (envelope IS NULL OR state = 'leased')
) STRICT, WITHOUT ROWID;

-- What a poll and the cron trigger ask. Not a partial index: SQLite would not use it for `state = 'leased'`.
CREATE INDEX jobs_by_state ON jobs (state, server);
-- What a lease asks: is another job of this project at work.
CREATE INDEX jobs_at_work_by_project ON jobs (project) WHERE state IN ('leased', 'running', 'out_of_contact');
CREATE INDEX jobs_by_deployment ON jobs (deployment) WHERE deployment IS NOT NULL;

-- Who did what. Rows are only added; a row never changes.
CREATE TABLE activity_logs (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TRIGGER activity_logs_never_change BEFORE UPDATE ON activity_logs BEGIN SELECT RAISE(ABORT, 'activity is append-only'); END;
