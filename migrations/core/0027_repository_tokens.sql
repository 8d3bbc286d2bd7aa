-- Access tokens for repositories over https: of projects, and of looks at a repository that may become one.
CREATE TABLE repository_tokens (
  -- The project, or the job that looks.
  owner TEXT PRIMARY KEY,
  -- The address that it was given for; it is handed out for no other.
  repository TEXT NOT NULL,
  -- JSON of user and token, encrypted with the data key for "repository/<owner>/<repository>".
  sealed TEXT NOT NULL,
  -- Who gave it.
  actor TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  -- Of a look, when it is forgotten.
  expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX repository_tokens_expiring ON repository_tokens (expires_at) WHERE expires_at IS NOT NULL;

CREATE TRIGGER projects_lose_token AFTER DELETE ON projects BEGIN DELETE FROM repository_tokens WHERE owner = OLD.id; END;
