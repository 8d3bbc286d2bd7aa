-- Passkeys: keys that sign their person in after the password, or alone (Web Authentication).

CREATE TABLE passkeys (
  id TEXT PRIMARY KEY,
  user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  -- The credential's id and its public key (COSE), in URL-safe base64.
  credential TEXT NOT NULL UNIQUE,
  public_key TEXT NOT NULL,
  -- How often it said that it was used; 0 where it does not count.
  sign_count INTEGER NOT NULL,
  -- When it was added, it checked by PIN, finger or face who uses it.
  verified INTEGER NOT NULL CHECK (verified IN (0, 1)),
  -- It knows whose it is, and so signs in without an e-mail address.
  discoverable INTEGER NOT NULL CHECK (discoverable IN (0, 1)),
  -- It may be copied to other devices of its person; it is.
  backup_eligible INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
  backed_up INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
  -- JSON list of the ways on which browsers reach it.
  transports TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX passkeys_by_user ON passkeys (user);

CREATE TRIGGER passkeys_have_a_most BEFORE INSERT ON passkeys WHEN (SELECT count(*) FROM passkeys WHERE user = NEW.user) >= 10 BEGIN SELECT RAISE(ABORT, 'ten passkeys are enough'); END;

-- Challenges that a passkey has answered: none is answered twice. They are over after some minutes anyway.
-- Each has one end, by which they are forgotten.
CREATE TABLE spent_challenges (
  ends_at INTEGER NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (ends_at, hash)
) STRICT, WITHOUT ROWID;

-- Whose password alone is not enough.
CREATE VIEW factors (user) AS SELECT user FROM second_factors WHERE confirmed_at IS NOT NULL UNION ALL SELECT user FROM passkeys;
