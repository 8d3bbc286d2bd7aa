//! Looks what a repository is before it becomes a project: fetches one commit, reads a few of its files, and removes
//! it again. Nothing of it is checked out or run.

use crate::deploy::check_disk;
use crate::host::git::{Git, Source};
use crate::host::{Doing as _, Result};
use crate::job::JobContext;
use devflow_domain::inspection;
use devflow_protocol::inspection::{FILE_BYTES, FILES, Inspection, READ};
use devflow_protocol::job::Inspect;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::repository::RepositoryToken;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Looks at the tip of the ref. After a restart it is simply done again.
pub(crate) async fn inspect(
    context: &JobContext,
    work: &Inspect,
    token: Option<&RepositoryToken>,
) -> Outcome {
    let source = Source::new(&work.repository, token);
    let folder = context
        .host
        .config
        .state_dir
        .join("inspect")
        .join(context.job.id.as_str());
    let looked = match check_disk(&context.host.config.state_dir, "a look at a repository") {
        Ok(()) => look(&context.host.git, &folder, source, work, &context.cancel).await,
        Err(error) => Err(error),
    };
    if let Err(error) = remove(&folder) {
        tracing::warn!(folder = %folder.display(), %error, "what was looked at cannot be removed");
    }
    match looked {
        _ if context.cancel.is_cancelled() => Outcome::Cancelled,
        Ok(inspection) => Outcome::Inspected { inspection },
        Err(error) => Outcome::Failed {
            step: None,
            reason: error.to_string(),
        },
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

async fn look(
    git: &Git,
    folder: &Path,
    source: Source<'_>,
    work: &Inspect,
    cancel: &CancellationToken,
) -> Result<Inspection> {
    // A run before that was cut off may have left something.
    remove(folder).doing(|| format!("empty {}", folder.display()))?;
    fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
    let commit = git.fetch_tip(folder, source, &work.ref_name, cancel).await?;
    let files: HashMap<String, u64> = git
        .plain_files(folder, &commit, &FILES, cancel)
        .await?
        .into_iter()
        .collect();
    let mut contents = HashMap::new();
    for path in READ {
        let size = files.get(path).and_then(|size| usize::try_from(*size).ok());
        if size.is_some_and(|size| size <= FILE_BYTES)
            && let Some(bytes) = git.file(folder, &commit, path, cancel).await?
        {
            contents.insert(path, bytes);
        }
    }
    Ok(inspection::read(
        commit,
        |path| files.contains_key(path),
        |path| contents.remove(path),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use devflow_protocol::job::Work;
    use std::process::Command;
    use std::sync::Arc;

    /// A repository with these files, and `composer.lock` as a link out of it.
    fn repository(folder: &Path, files: &[(&str, &str)]) -> Inspect {
        let git = |arguments: &[&str]| {
            let done = Command::new("git")
                .arg("-C")
                .arg(folder)
                .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
                .args(arguments)
                .output()
                .expect("git is installed");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        fs::create_dir_all(folder).expect("a folder");
        git(&["init", "--quiet", "--initial-branch=main"]);
        for (path, text) in files {
            fs::write(folder.join(path), text).expect("written");
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.join("composer.lock")).expect("linked");
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message=First"]);
        Inspect {
            repository: format!("file://{}", folder.display())
                .parse()
                .expect("an address"),
            ref_name: "refs/heads/main".parse().expect("a ref"),
            repository_token: None,
        }
    }

    fn open_to_all(work: &Inspect) -> Source<'_> {
        Source::new(&work.repository, None)
    }

    #[tokio::test]
    async fn look_finds_plain_files_and_names_what_it_did_not_read() {
        let scratch = tempfile::tempdir().expect("a folder");
        let large = "x".repeat(FILE_BYTES + 1);
        let work = repository(
            &scratch.path().join("code"),
            &[
                ("artisan", "#!/usr/bin/env php"),
                ("composer.json", r#"{"require": {"laravel/framework": "^11.0"}}"#),
                ("package.json", &large),
                (".env.example", "APP_NAME=Shop\nSECRET=never-told\n"),
            ],
        );
        let git = Git::new(&scratch.path().join("state"), 64).expect("git");
        let folder = scratch.path().join("look");
        let found = look(
            &git,
            &folder,
            open_to_all(&work),
            &work,
            &CancellationToken::new(),
        )
        .await
        .expect("looked");
        assert_eq!(
            found.files,
            [".env.example", "artisan", "composer.json", "package.json"]
        );
        assert_eq!(found.requires["laravel/framework"], "^11.0");
        assert_eq!(
            found.unreadable,
            ["package.json is no text of at most 256 KiB, so it was not looked at."]
        );
        let told = serde_json::to_string(&found).expect("JSON");
        assert!(told.contains("SECRET") && !told.contains("never-told"), "{told}");
    }

    #[tokio::test]
    async fn look_without_room_on_the_disk_is_not_begun() {
        let scratch = tempfile::tempdir().expect("a folder");
        let work = repository(&scratch.path().join("code"), &[]);
        let mut context = samples::context(scratch.path(), Work::Inspect(work.clone()));
        // A disk without any room.
        Arc::get_mut(&mut context.host)
            .expect("nobody else has it")
            .config
            .state_dir = "/proc".into();
        let Outcome::Failed { reason, .. } = inspect(&context, &work, None).await else {
            panic!("it must fail");
        };
        assert_eq!(
            reason,
            "0 MiB are free on the disk of /proc, a look at a repository needs 1024; keep fewer releases or free some"
        );
    }

    #[tokio::test]
    async fn look_at_a_branch_that_is_not_there_says_so() {
        let scratch = tempfile::tempdir().expect("a folder");
        let work = Inspect {
            ref_name: "refs/heads/other".parse().expect("a ref"),
            ..repository(&scratch.path().join("code"), &[])
        };
        let git = Git::new(&scratch.path().join("state"), 64).expect("git");
        let error = look(
            &git,
            &scratch.path().join("look"),
            open_to_all(&work),
            &work,
            &CancellationToken::new(),
        )
        .await
        .expect_err("there is no such branch");
        assert!(
            error
                .to_string()
                .ends_with("`other` is not there; push it first, or set another branch"),
            "{error}"
        );
    }
}
