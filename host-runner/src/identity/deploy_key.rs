//! The key with which this server fetches repositories over SSH: `state_dir/deploy_key` (0600, OpenSSH's format)
//! and `deploy_key.pub`. It stays when the server is enrolled again, so that repositories that know it still do.

use crate::entropy;
use crate::files;
use ed25519_dalek::SigningKey;
use ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData};
use ssh_key::public::Ed25519PublicKey;
use ssh_key::{LineEnding, PrivateKey};
use std::io;
use std::path::{Path, PathBuf};

/// Where the private half is.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("deploy_key")
}

/// The public half as one line, such as `ssh-ed25519 AAAA… devflow-runner@web1`. The key is made where it is
/// missing.
pub(crate) fn ensure(state_dir: &Path, host: &str) -> io::Result<String> {
    let private = path(state_dir);
    let key = match std::fs::read_to_string(&private) {
        Ok(text) => PrivateKey::from_openssh(text).map_err(|error| {
            io::Error::other(format!(
                "{} is not an SSH key ({error}); move it away to have a new one made",
                private.display()
            ))
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = generate(host).map_err(io::Error::other)?;
            let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
            files::private_dir(state_dir)?;
            files::write_private(&private, text.as_bytes())?;
            key
        }
        Err(error) => return Err(error),
    };
    let line = key.public_key().to_openssh().map_err(io::Error::other)?;
    files::write_private(&state_dir.join("deploy_key.pub"), format!("{line}\n").as_bytes())?;
    Ok(line)
}

fn generate(host: &str) -> ssh_key::Result<PrivateKey> {
    let signing = SigningKey::from_bytes(&entropy::bytes());
    let pair = Ed25519Keypair {
        public: Ed25519PublicKey(signing.verifying_key().to_bytes()),
        private: Ed25519PrivateKey::from_bytes(&signing.to_bytes()),
    };
    PrivateKey::new(KeypairData::Ed25519(pair), format!("devflow-runner@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn ensure_makes_a_key_that_openssh_reads_and_keeps_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = ensure(folder.path(), "web1").expect("made");
        assert!(line.ends_with(" devflow-runner@web1"), "{line}");
        assert_eq!(ensure(folder.path(), "renamed").expect("kept"), line);
        let seen = Command::new("ssh-keygen")
            .arg("-y")
            .arg("-f")
            .arg(path(folder.path()))
            .output()
            .expect("ssh-keygen is installed");
        assert!(seen.status.success(), "{seen:?}");
        assert_eq!(String::from_utf8_lossy(&seen.stdout).trim(), line);
    }
}
