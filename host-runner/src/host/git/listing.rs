//! What `git ls-tree -l -z` lists, an entry at a time: `100644 blob <id> <size>\t<path>`. Pure.

/// A file, link, folder or submodule of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'l> {
    pub(super) mode: &'l [u8],
    /// In bytes; None of what is no file and no link.
    pub(super) size: Option<u64>,
    pub(super) path: &'l [u8],
}

/// The entries of a listing.
pub(super) fn entries(listed: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    listed.split(|byte| *byte == 0).filter_map(entry)
}

fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (about, path) = (&line[..tab], &line[tab + 1..]);
    let mut words = about.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let mode = words.next()?;
    let size = str::from_utf8(words.nth(2)?).ok()?;
    Some(Entry {
        mode,
        size: size.parse().ok(),
        path,
    })
}
