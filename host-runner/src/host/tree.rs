//! Reads and writes inside a release's `app` folder, which belongs to the project and may be hostile.
//!
//! The runner is root, so no path is ever resolved by its text: each operation goes through a directory handle that
//! cannot be led out of the folder (openat2 with `RESOLVE_BENEATH`, or the same by hand), and the last part of a
//! path is never followed.

use super::error::{Doing, Result};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, MetadataExt, OpenOptions, OpenOptionsExt};
use devflow_protocol::text::RelPath;
use rustix::fs::{AtFlags, Gid, Uid, chownat};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// Largest file that is read whole.
const READ_BYTES: u64 = 4 * 1024 * 1024;

/// A folder that its owner may have filled with anything.
#[derive(Debug)]
pub(crate) struct Tree {
    dir: Dir,
    uid: u32,
}

impl Tree {
    /// Opens a folder whose parent only root can change.
    ///
    /// # Errors
    /// It is not a folder.
    pub(crate) fn open(path: &Path, uid: u32) -> Result<Self> {
        let dir =
            Dir::open_ambient_dir(path, ambient_authority()).doing(|| format!("open {}", path.display()))?;
        Ok(Self { dir, uid })
    }

    /// Gives everything in the folder to its owner, links themselves instead of what they name.
    pub(crate) fn give_all(&self) -> Result<()> {
        give_below(&self.dir, self.uid).doing(|| "give the files to the project's user")?;
        self.give(&self.dir, OsStr::new("."))
            .doing(|| "give the folder to the project's user")
    }

    fn give(&self, dir: &Dir, name: &OsStr) -> io::Result<()> {
        give(dir, name, self.uid)
    }

    /// The folder that holds the last part of `path`. Parts that are missing are made; parts that are no folder
    /// (a file, a link to anywhere) are replaced by one.
    fn parent(&self, path: &RelPath) -> io::Result<Dir> {
        let mut dir = self.dir.try_clone()?;
        let mut parts: Vec<&str> = path.as_str().split('/').collect();
        parts.pop();
        for part in parts {
            dir = self.enter(&dir, part)?;
        }
        Ok(dir)
    }

    fn enter(&self, dir: &Dir, part: &str) -> io::Result<Dir> {
        match dir.symlink_metadata(part) {
            Ok(seen) if seen.is_dir() => {}
            Ok(_) => {
                dir.remove_file(part)?;
                self.make_dir(dir, part)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => self.make_dir(dir, part)?,
            Err(error) => return Err(error),
        }
        open_dir(dir, part)
    }

    fn make_dir(&self, dir: &Dir, part: &str) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.mode(0o755);
        dir.create_dir_with(part, &builder)?;
        self.give(dir, OsStr::new(part))
    }

    /// Puts a file in place of whatever is there.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn put_file(&self, path: &RelPath, content: &[u8], mode: u32) -> Result<()> {
        let put = || {
            let dir = self.parent(path)?;
            let name = last(path);
            remove_any(&dir, name)?;
            let mut options = OpenOptions::new();
            let mut file = dir.open_with(name, options.write(true).create_new(true).mode(mode))?;
            file.write_all(content)?;
            self.give(&dir, OsStr::new(name))
        };
        put().doing(|| format!("write `{path}` in the release"))
    }

    /// Puts a link to an absolute path in place of whatever is there.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn put_link(&self, path: &RelPath, target: &Path) -> Result<()> {
        let put = || {
            let dir = self.parent(path)?;
            let name = last(path);
            remove_any(&dir, name)?;
            dir.symlink_contents(target, name)?;
            self.give(&dir, OsStr::new(name))
        };
        put().doing(|| format!("link `{path}` in the release"))
    }

    /// Moves what is at `path` into another folder of the same owner.
    ///
    /// # Errors
    /// It is not there, or the folders are on two file systems.
    pub(crate) fn move_to(&self, path: &RelPath, target: &Self, to: &RelPath) -> io::Result<()> {
        self.parent(path)?
            .rename(last(path), &target.parent(to)?, last(to))
    }

    /// Makes a folder, and those above it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn ensure_dir(&self, path: &RelPath) -> Result<()> {
        let ensure = || self.enter(&self.parent(path)?, last(path)).map(drop);
        ensure().doing(|| format!("make `{path}` in the release"))
    }

    /// Makes a folder `name` in another one, and removes all that is beside it there.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn keep_only(&self, path: &RelPath, name: &str) -> Result<()> {
        let keep = || {
            let dir = self.enter(&self.parent(path)?, last(path))?;
            for entry in dir.entries()? {
                if let Some(other) = entry?.file_name().to_str().filter(|other| *other != name) {
                    remove_any(&dir, other)?;
                }
            }
            self.enter(&dir, name).map(drop)
        };
        keep().doing(|| format!("make `{path}/{name}`"))
    }

    /// True where a file or folder is there, without a link on the way.
    pub(crate) fn has(&self, path: &RelPath) -> bool {
        self.look(path)
            .is_some_and(|(dir, name)| dir.symlink_metadata(name).is_ok_and(|seen| !seen.is_symlink()))
    }

    /// True where a folder is there, without a link on the way.
    pub(crate) fn has_dir(&self, path: &RelPath) -> bool {
        self.look(path)
            .is_some_and(|(dir, name)| dir.symlink_metadata(name).is_ok_and(|seen| seen.is_dir()))
    }

    fn look<'p>(&self, path: &'p RelPath) -> Option<(Dir, &'p str)> {
        let mut dir = self.dir.try_clone().ok()?;
        let mut parts: Vec<&str> = path.as_str().split('/').collect();
        let name = parts.pop()?;
        for part in parts {
            dir = open_dir(&dir, part).ok()?;
        }
        Some((dir, name))
    }

    /// The text of a file; None where there is none.
    ///
    /// # Errors
    /// It is too large or cannot be read.
    pub(crate) fn read(&self, path: &RelPath) -> Result<Option<String>> {
        let Some((dir, name)) = self.look(path).filter(|_| self.has(path)) else {
            return Ok(None);
        };
        let read = || {
            let mut text = String::new();
            open_file(&dir, OsStr::new(name))?
                .take(READ_BYTES)
                .read_to_string(&mut text)?;
            Ok::<_, io::Error>(text)
        };
        read().map(Some).doing(|| format!("read `{path}` in the release"))
    }

    /// The names of the files right in a folder that end so, sorted; none where there is no such folder.
    pub(crate) fn file_names(&self, path: &RelPath, ending: &str) -> Vec<String> {
        let Some((dir, name)) = self.look(path).filter(|_| self.has_dir(path)) else {
            return Vec::new();
        };
        let entries = open_dir(&dir, name).and_then(|dir| dir.entries());
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
            .collect();
        names.sort_unstable();
        names
    }

    /// Feeds names and contents of files and folders into a hash; what is missing counts too.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn hash(&self, paths: &[RelPath], into: &mut Sha256) -> Result<()> {
        for path in paths {
            let Some((dir, name)) = self.look(path).filter(|_| self.has(path)) else {
                into.update(format!("missing {path}\0"));
                continue;
            };
            into.update(format!("{path}\0"));
            hash_entry(&dir, OsStr::new(name), into).doing(|| format!("read `{path}` in the release"))?;
        }
        Ok(())
    }

    /// The files below a folder, manifests and hidden ones left out; none where there is no such folder.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub(crate) fn assets(&self, path: &RelPath) -> Result<Vec<RelPath>> {
        let Some((dir, name)) = self.look(path).filter(|_| self.has_dir(path)) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut list = || list_assets(&open_dir(&dir, name)?, path.as_str(), &mut found);
        list().doing(|| format!("list the assets in `{path}`"))?;
        Ok(found)
    }

    /// Copies those of `files` that this tree lacks from another tree: a page that was loaded before the switch still
    /// finds its assets. Gives the number of files.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub(crate) fn carry_over(&self, from: &Self, files: &[RelPath]) -> Result<usize> {
        let mut copied = 0;
        for path in files.iter().filter(|path| !self.has(path) && from.has(path)) {
            let copy = || self.copy_asset(from, path);
            copy().doing(|| format!("carry over `{path}`"))?;
            copied += 1;
        }
        Ok(copied)
    }

    fn copy_asset(&self, from: &Self, path: &RelPath) -> io::Result<()> {
        let (source, name) = from.look(path).ok_or(ErrorKind::NotFound)?;
        let name = OsStr::new(name);
        let dir = self.parent(path)?;
        let mut options = OpenOptions::new();
        let mut target = dir.open_with(name, options.write(true).create_new(true).mode(0o644))?;
        io::copy(&mut open_file(&source, name)?, &mut target)?;
        self.give(&dir, name)
    }
}

fn list_assets(dir: &Dir, path: &str, into: &mut Vec<RelPath>) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        // A name that is no text, or that no address can hold, is no asset of a page.
        let Some(below) = name
            .to_str()
            .and_then(|text| format!("{path}/{text}").parse::<RelPath>().ok())
        else {
            continue;
        };
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list_assets(&open_dir(dir, &name)?, below.as_str(), into)?;
        } else if kind.is_file() && !is_manifest(&name) {
            into.push(below);
        }
    }
    Ok(())
}

fn is_manifest(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("manifest") || name.starts_with("mix-manifest") || name.ends_with("entrypoints.json")
}

fn last(path: &RelPath) -> &str {
    path.as_str().rsplit('/').next().unwrap_or(path.as_str())
}

fn open_dir(dir: &Dir, name: impl AsRef<Path>) -> io::Result<Dir> {
    use cap_fs_ext::DirExt;
    dir.open_dir_nofollow(name)
}

// Neither a link nor a pipe (which would block the runner) is opened.
fn open_file(dir: &Dir, name: &OsStr) -> io::Result<cap_std::fs::File> {
    let mut options = OpenOptions::new();
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("open flags fit into an int, which the call takes");
    let file = dir.open_with(name, options.read(true).custom_flags(flags))?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

fn give(dir: &Dir, name: &OsStr, uid: u32) -> io::Result<()> {
    chownat(
        dir,
        name,
        Some(Uid::from_raw(uid)),
        Some(Gid::from_raw(uid)),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    Ok(())
}

fn give_below(dir: &Dir, uid: u32) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            give_below(&open_dir(dir, &name)?, uid)?;
        }
        give(dir, &name, uid)?;
    }
    Ok(())
}

fn remove_any(dir: &Dir, name: &str) -> io::Result<()> {
    match dir.symlink_metadata(name) {
        Ok(seen) if seen.is_dir() => dir.remove_dir_all(name),
        Ok(_) => dir.remove_file(name),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn hash_entry(dir: &Dir, name: &OsStr, into: &mut Sha256) -> io::Result<()> {
    let seen = dir.symlink_metadata(name)?;
    if seen.is_symlink() {
        into.update(b"link\0");
        into.update(dir.read_link_contents(name)?.as_os_str().as_encoded_bytes());
    } else if seen.is_dir() {
        let below = open_dir(dir, name)?;
        let mut names = below
            .entries()?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            into.update(name.as_encoded_bytes());
            into.update(b"\0");
            hash_entry(&below, &name, into)?;
        }
    } else if seen.is_file() {
        into.update(format!("file {} {:o}\0", seen.len(), seen.mode() & 0o111));
        io::copy(&mut open_file(dir, name)?, &mut HashWriter(into))?;
    }
    Ok(())
}

struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
