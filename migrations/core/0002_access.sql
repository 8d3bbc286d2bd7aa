-- Roles of single projects, beside the role for the fleet in `users`.
CREATE TABLE project_roles (
  user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('viewer', 'maintainer', 'admin', 'owner')),
  PRIMARY KEY (user, project)
) STRICT, WITHOUT ROWID;

CREATE INDEX project_roles_by_project ON project_roles (project);
