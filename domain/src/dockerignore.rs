//! Which files of a repository are left out of what an image is built from, as a `.dockerignore` says. Pure.
//!
//! Source: the Docker manual (<https://docs.docker.com/build/concepts/context/#dockerignore-files>). The last line that
//! fits a path, or a folder that it is in, decides.

use fast_glob::glob_match;

/// The most lines: each of them is held against each path of a repository.
const LINES: usize = 500;

/// The lines of a `.dockerignore`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored(Vec<Line>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    pattern: String,
    /// True where it takes back what a line before it leaves out.
    kept: bool,
}

impl Ignored {
    /// Reads a file; None where it has more than 500 lines that say something. A line that is no pattern fits nothing.
    pub fn read(text: &str) -> Option<Self> {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let wanted = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let line = |text: &str| {
            let (kept, pattern) = match text.strip_prefix('!') {
                Some(rest) => (true, rest.trim_start()),
                None => (false, text),
            };
            let parts = pattern.split('/').filter(|part| !matches!(*part, "" | "."));
            Line {
                pattern: parts.collect::<Vec<_>>().join("/"),
                kept,
            }
        };
        let lines: Vec<Line> = wanted
            .map(line)
            .filter(|line| !line.pattern.is_empty())
            .take(LINES + 1)
            .collect();
        (lines.len() <= LINES).then_some(Self(lines))
    }

    /// Whether a path is left out. `path` is inside the repository, without a slash at its ends.
    pub fn leaves_out(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        let paths: Vec<&str> = folders.chain([path]).collect();
        let fits = |line: &&Line| paths.iter().any(|path| glob_match(&line.pattern, path));
        self.0.iter().rev().find(fits).is_some_and(|line| !line.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_follows_the_manual() {
        let text = "# comment\n*/temp*\n*/*/temp*\ntemp?\n/vendor/\n**/*.log\n*.md\n!README*.md\nREADME-secret.md\n./a/./b\n\n!  \n";
        let ignored = Ignored::read(text).expect("few lines");
        for (path, expected) in [
            ("somedir/temporary.txt", true),
            ("somedir/temp", true),
            ("somedir/temp/deep/file", true),
            ("somedir/subdir/temporary.txt", true),
            ("temporary.txt", false),
            ("tempa", true),
            ("vendor/autoload.php", true),
            ("src/vendor/autoload.php", false),
            ("x.log", true),
            ("a/c/x.log", true),
            ("CHANGES.md", true),
            ("README.md", false),
            ("README-secret.md", true),
            ("docs/CHANGES.md", false),
            ("a/b/c", true),
        ] {
            assert_eq!(ignored.leaves_out(path), expected, "{path}");
        }
        let only = Ignored::read("*\n!src\n!composer.*").expect("few lines");
        for (path, expected) in [("src/a/b", false), ("composer.json", false), ("tests/a", true)] {
            assert_eq!(only.leaves_out(path), expected, "{path}");
        }
        assert!(!Ignored::default().leaves_out("a"));
        assert_eq!(Ignored::read(""), Some(Ignored::default()));
        assert_eq!(Ignored::read(&"a\n".repeat(501)), None);
    }
}
