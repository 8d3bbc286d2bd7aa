//! The worker's databases, while it is away.

use anyhow::{Context, Result, bail};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};

/// The database below a folder that has a table of this name.
pub fn open(folder: &Path, table: &str) -> Result<Connection> {
    let mut files = Vec::new();
    find(folder, &mut files)?;
    for file in files {
        let database = Connection::open(&file)?;
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        if database.query_row(sql, [table], |row| row.get::<_, i64>(0))? == 1 {
            return Ok(database);
        }
    }
    bail!("no database with the table {table} below {}", folder.display())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "sqlite") {
            files.push(path);
        }
    }
    Ok(())
}
