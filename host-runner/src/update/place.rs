//! Where the runner's program is, and the ones beside it: the one that is being fetched, and the one before.

use crate::files;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The folder of the runner's program.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    program: PathBuf,
    folder: PathBuf,
}

impl Place {
    /// Around a program, by its real path.
    pub(crate) fn of(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            folder: program.parent().unwrap_or(Path::new("/")).to_owned(),
        }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program on its way.
    pub(crate) fn staged(&self) -> PathBuf {
        self.folder.join(".host-runner.new")
    }

    /// The program before.
    pub(crate) fn previous(&self) -> PathBuf {
        self.folder.join("host-runner.previous")
    }

    /// SHA-256 of the program that is in place, in hex.
    pub(crate) fn sha256(&self) -> io::Result<String> {
        let mut file = File::open(&self.program)?;
        let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hex::encode(hash.finalize())),
                read => hash.update(&piece[..read]),
            }
        }
    }

    /// An empty file for a program on its way.
    pub(crate) fn stage(&self) -> io::Result<File> {
        let staged = self.staged();
        files::remove(&staged)?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(staged)
    }

    /// Puts the staged program in place, the one of now beside it. At any moment in between there is a whole program in place.
    pub(crate) fn exchange(&self) -> io::Result<()> {
        self.link_over(&self.program, &self.previous())?;
        std::fs::rename(self.staged(), &self.program)?;
        self.sync().inspect_err(|_| {
            let _ = self.put_back();
        })
    }

    /// Removes a program that is not to be put in place.
    pub(crate) fn clear(&self) {
        if let Err(error) = files::remove(&self.staged()) {
            tracing::warn!(%error, "a program that was fetched cannot be removed");
        }
    }

    /// Puts the program before in place again.
    pub(crate) fn put_back(&self) -> io::Result<()> {
        self.link_over(&self.previous(), &self.program)
    }

    /// A second name for a file, in the place of what has that name now.
    fn link_over(&self, file: &Path, name: &Path) -> io::Result<()> {
        let spare = self.folder.join(".host-runner.link");
        files::remove(&spare)?;
        std::fs::hard_link(file, &spare)?;
        std::fs::rename(&spare, name)?;
        // Two names of one file are left as they are by a rename.
        files::remove(&spare)?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).expect("read")
    }

    #[test]
    fn exchange_keeps_the_program_before_and_put_back_is_the_way_back_however_often() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("host-runner");
        fs::write(&program, "one").expect("written");
        let place = Place::of(&program);
        for (before, next) in [("one", "two"), ("two", "three")] {
            fs::write(place.staged(), "a leftover").expect("written");
            place
                .stage()
                .expect("staged")
                .write_all(next.as_bytes())
                .expect("written");
            place.exchange().expect("exchanged");
            assert_eq!([read(&program), read(&place.previous())], [next, before]);
        }
        for _ in 0..2 {
            place.put_back().expect("put back");
            assert_eq!(read(&program), "two");
        }
        // Begun again after the first half.
        place.link_over(&program, &place.previous()).expect("linked");
        place
            .stage()
            .expect("staged")
            .write_all(b"four")
            .expect("written");
        place.exchange().expect("exchanged");
        assert_eq!([read(&program), read(&place.previous())], ["four", "two"]);
        let mut names: Vec<String> = files::names(folder.path()).expect("names");
        names.sort();
        assert_eq!(names, ["host-runner", "host-runner.previous"]);
    }
}
