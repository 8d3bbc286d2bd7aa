-- Job keys that this installation signed with, oldest first: what was sealed with an earlier one is still proven.
CREATE TABLE job_keys (
  id INTEGER PRIMARY KEY,
  -- Ed25519 public key, base64.
  key TEXT NOT NULL UNIQUE,
  since INTEGER NOT NULL
) STRICT;

-- The id of the job key that the server's runner trusts, as it said last.
ALTER TABLE servers ADD COLUMN job_key TEXT;
