-- People: who was invited, that somebody is always there to decide, and what they sign in with beside a password.

CREATE TABLE invitations (
  token_hash TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL COLLATE NOCASE UNIQUE,
  -- What they get: the role for the fleet, and a JSON object of roles by project.
  role TEXT CHECK (role IN ('viewer', 'maintainer', 'admin', 'owner')),
  projects TEXT NOT NULL,
  invited_by TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An installation without an owner could not be mended from inside.
CREATE TRIGGER users_keep_an_owner BEFORE UPDATE OF role, disabled_at ON users WHEN OLD.role = 'owner' AND OLD.disabled_at IS NULL AND (NEW.role IS NOT 'owner' OR NEW.disabled_at IS NOT NULL) BEGIN SELECT RAISE(ABORT, 'the last owner stays') WHERE NOT EXISTS (SELECT 1 FROM users WHERE role = 'owner' AND disabled_at IS NULL AND id <> OLD.id); END;
CREATE TRIGGER users_never_lose_the_owner BEFORE DELETE ON users WHEN OLD.role = 'owner' AND OLD.disabled_at IS NULL BEGIN SELECT RAISE(ABORT, 'the last owner stays') WHERE NOT EXISTS (SELECT 1 FROM users WHERE role = 'owner' AND disabled_at IS NULL AND id <> OLD.id); END;

-- One-time codes of an app (RFC 6238).
CREATE TABLE second_factors (
  user TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  -- Encrypted with the data key for "second-factor/<user>".
  secret TEXT NOT NULL,
  -- When the first code was given; it counts from then on.
  confirmed_at INTEGER,
  -- The time step of the newest code that was taken: it and those before are not taken again.
  last_step INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Each opens once, in place of a code of the app.
CREATE TABLE recovery_codes (
  user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  code_hash TEXT NOT NULL,
  PRIMARY KEY (user, code_hash)
) STRICT, WITHOUT ROWID;
