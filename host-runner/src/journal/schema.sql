-- The runner's memory. Intents and results are synced to disk before anything builds on them; events may lose
-- their last moments in a power cut, never in a crash of the process.
CREATE TABLE IF NOT EXISTS jobs (
    job TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    lease TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    verb TEXT NOT NULL,
    slug TEXT,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('accepted', 'finished', 'confirmed')),
    acknowledged INTEGER NOT NULL DEFAULT 0,
    accepted_at INTEGER NOT NULL,
    finished_at INTEGER,
    outcome TEXT,
    report TEXT,
    events_sent INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, attempt),
    CHECK ((state = 'accepted') = (outcome IS NULL))
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_open ON jobs (sequence) WHERE state <> 'confirmed';
CREATE TABLE IF NOT EXISTS events (
    job TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    n INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, attempt, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoints (
    job TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (job, attempt, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pins (
    slug TEXT NOT NULL PRIMARY KEY,
    repository TEXT NOT NULL,
    pinned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Signed segments of the edge's audit trail, in the order in which they were seen.
CREATE TABLE IF NOT EXISTS witnesses (
    id INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    head TEXT NOT NULL,
    envelope TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    contradicts INTEGER NOT NULL,
    UNIQUE (number, head, contradicts)
) STRICT;
