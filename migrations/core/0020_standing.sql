-- What a server has of its projects, as its runner told last: the digest of all of it, and the short names (JSON list) of those
-- that this installation does not know.
ALTER TABLE servers ADD COLUMN standing TEXT;
ALTER TABLE servers ADD COLUMN unknown_projects TEXT;
