-- Several servers of a project. The first one stays in `projects.server`, with what is live and kept there: a project with one
-- server writes not a row more. These are the others, in their order.
CREATE TABLE further_targets (
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  server TEXT NOT NULL REFERENCES servers (id),
  -- Counts from 1; 0 is the first server.
  position INTEGER NOT NULL,
  -- What its runner last reported.
  live_deployment TEXT,
  kept_releases TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (project, server)
) STRICT, WITHOUT ROWID;

CREATE INDEX further_targets_by_server ON further_targets (server);

-- Every server of every project.
CREATE VIEW deployment_targets (project, position, server, live_deployment, kept_releases) AS SELECT id, 0, server, live_deployment, kept_releases FROM projects UNION ALL SELECT project, position, server, live_deployment, kept_releases FROM further_targets;

-- What becomes of the others where a server fails.
ALTER TABLE projects ADD COLUMN server_policy TEXT NOT NULL DEFAULT 'all' CHECK (server_policy IN ('all', 'keep_going'));
-- How many further servers it has; kept by triggers.
ALTER TABLE projects ADD COLUMN further_servers INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER further_targets_count_new AFTER INSERT ON further_targets BEGIN UPDATE projects SET further_servers = further_servers + 1 WHERE id = NEW.project; END;
CREATE TRIGGER further_targets_count_gone AFTER DELETE ON further_targets BEGIN UPDATE projects SET further_servers = further_servers - 1 WHERE id = OLD.project; END;
CREATE TRIGGER servers_gain_target AFTER INSERT ON further_targets BEGIN UPDATE servers SET projects = projects + 1 WHERE id = NEW.server; END;
CREATE TRIGGER servers_lose_target AFTER DELETE ON further_targets BEGIN UPDATE servers SET projects = projects - 1 WHERE id = OLD.server; END;
CREATE TRIGGER servers_swap_project AFTER UPDATE OF server ON projects WHEN NEW.server <> OLD.server BEGIN UPDATE servers SET projects = projects + (id = NEW.server) - (id = OLD.server) WHERE id IN (NEW.server, OLD.server); END;

-- A deployment of a project with several servers, server by server. `deployments` has the one at work; one of a project with a
-- single server has no rows here.
CREATE TABLE deployment_parts (
  deployment TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  server TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'working', 'going_back', 'live', 'failed', 'rolled_back', 'cancelled', 'superseded', 'stuck')),
  -- The release that was live there before.
  before TEXT,
  reason TEXT,
  -- As in `deployments`, once it is over.
  steps TEXT NOT NULL DEFAULT '[]',
  started_at INTEGER,
  finished_at INTEGER,
  PRIMARY KEY (deployment, position)
) STRICT, WITHOUT ROWID;
