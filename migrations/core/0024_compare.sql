-- What the lock files of a release name: JSON of `LockedPackages`, apart from the manifest, which lists read.
ALTER TABLE deployments ADD COLUMN packages TEXT;
-- In how many milliseconds its health path answered each time that it went live, the newest last: a JSON list of at most 20.
ALTER TABLE projects ADD COLUMN answer_times TEXT NOT NULL DEFAULT '[]';
