//! Which files are meant: by their paths, in folders, or by patterns.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// Endings of files that are no documents, whatever is in them. Such a file is taken only when it is named.
const NEVER: [&str; 40] = [
    "7z", "a", "avi", "bin", "bmp", "bz2", "class", "dll", "dmg", "eot", "exe", "flac", "gif",
    "gz", "ico", "iso", "jar", "jpeg", "jpg", "mkv", "mov", "mp3", "mp4", "o", "ogg", "otf", "png",
    "pyc", "rar", "so", "sqlite", "tar", "tiff", "ttf", "wav", "webm", "webp", "woff", "woff2",
    "zip",
];

/// What paths mean.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Each once, in the order in which they were meant; those of a folder by their names.
    pub files: Vec<PathBuf>,
    /// Files of folders that are no documents.
    pub passed_over: usize,
    /// What cannot be read, and why.
    pub failures: Vec<(PathBuf, String)>,
    seen: BTreeSet<PathBuf>,
}

/// Looks for what `paths` mean: a file, all files of a folder and of those in it, or what a pattern with `*`, `?` and
/// `**` fits. Hidden files are only taken when they are named; links to folders are not followed in them.
pub fn find(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        match fs::metadata(path) {
            Ok(it) if it.is_dir() => found.walk(path),
            Ok(_) => found.add(path),
            Err(_) if is_pattern(path.as_os_str()) => found.fit(path),
            Err(error) => found.fail(path, &error),
        }
    }
    found
}

impl Found {
    fn add(&mut self, file: &Path) {
        if self.seen.insert(file.to_owned()) {
            self.files.push(file.to_owned());
        }
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        self.failures.push((path.to_owned(), error.to_string()));
    }

    fn walk(&mut self, folder: &Path) {
        for (path, is_folder) in self.entries(folder) {
            if is_folder {
                self.walk(&path);
            } else {
                self.meet(&path);
            }
        }
    }

    /// Takes a file that nobody has named, if it may be a document.
    fn meet(&mut self, file: &Path) {
        let ending = file.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
        if ending.is_some_and(|it| NEVER.contains(&it.as_str())) {
            self.passed_over += 1;
        } else {
            self.add(file);
        }
    }

    /// What is in a folder and not hidden, by its names, and whether it is a folder itself.
    fn entries(&mut self, folder: &Path) -> Vec<(PathBuf, bool)> {
        let read = fs::read_dir(folder).and_then(|entries| {
            let entries = entries.map(|entry| {
                let entry = entry?;
                let kind = entry.file_type()?;
                // What a link leads to, if it is a file.
                let is_file = kind.is_file()
                    || kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|it| it.is_file());
                let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                Ok((is_file || kind.is_dir())
                    .then(|| (entry.path(), kind.is_dir()))
                    .filter(|_| !is_hidden))
            });
            entries.collect::<io::Result<Vec<_>>>()
        });
        match read {
            Ok(entries) => {
                let mut entries: Vec<_> = entries.into_iter().flatten().collect();
                entries.sort();
                entries
            }
            Err(error) => {
                self.fail(folder, &error);
                Vec::new()
            }
        }
    }

    /// Takes what fits `pattern`; a folder that does is taken whole.
    fn fit(&mut self, pattern: &Path) {
        let before = (self.seen.len(), self.passed_over, self.failures.len());
        let parts: Vec<&OsStr> = pattern.components().map(Component::as_os_str).collect();
        let fixed = parts.iter().take_while(|part| !is_pattern(part)).count();
        let (base, parts) = parts.split_at(fixed);
        let base = if base.is_empty() { PathBuf::from(".") } else { base.iter().collect() };
        if base.is_dir() {
            self.descend(&base, parts);
        }
        if before == (self.seen.len(), self.passed_over, self.failures.len()) {
            self.failures.push((pattern.to_owned(), "no file fits".to_owned()));
        }
    }

    fn descend(&mut self, folder: &Path, parts: &[&OsStr]) {
        let Some((first, rest)) = parts.split_first() else { return };
        if *first == "**" {
            self.descend(folder, rest);
        }
        for (path, is_folder) in self.entries(folder) {
            let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
            if *first == "**" {
                if is_folder {
                    self.descend(&path, parts);
                } else if rest.is_empty() {
                    self.meet(&path);
                }
                continue;
            }
            let name = path.file_name().unwrap_or_default();
            if !fits(first.as_encoded_bytes(), name.as_encoded_bytes()) {
                continue;
            }
            match (is_folder, rest.is_empty()) {
                (true, true) => self.walk(&path),
                (true, false) => self.descend(&path, rest),
                (false, true) => self.meet(&path),
                (false, false) => {}
            }
        }
    }
}

fn is_pattern(text: &OsStr) -> bool {
    text.as_encoded_bytes().iter().any(|it| matches!(it, b'*' | b'?'))
}

/// Whether `name` is what `pattern` says, of which `*` is any bytes and `?` is one character.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last `*` stood, and how far it has reached: one is enough to try again from.
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(b'?') => {
                at += 1;
                from += 1;
                while name.get(from).is_some_and(|it| it & 0xc0 == 0x80) {
                    from += 1;
                }
            }
            Some(byte) if *byte == name[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((place, reached)) = star else { return false };
                star = Some((place, reached + 1));
                (at, from) = (place + 1, reached + 1);
            }
        }
    }
    pattern[at..].iter().all(|it| *it == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files.
    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    /// The files that are found below `folder` by these paths in it.
    fn found(folder: &Path, paths: &[&str]) -> Found {
        let paths: Vec<_> = paths.iter().map(|path| folder.join(path)).collect();
        let mut found = find(&paths);
        for path in found.files.iter_mut().chain(found.failures.iter_mut().map(|it| &mut it.0)) {
            *path = path.strip_prefix(folder).unwrap().to_owned();
        }
        found
    }

    fn names(found: &Found) -> Vec<&str> {
        found.files.iter().map(|it| it.to_str().unwrap()).collect()
    }

    #[test]
    fn a_folder_is_all_that_is_in_it_but_what_is_hidden_or_no_document() {
        let folder =
            folder(&["b.md", "a/c.txt", "a/.hidden", ".git/config", "photo.PNG", "README"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();

        let all = found(folder.path(), &["", "b.md"]);

        assert_eq!(names(&all), ["README", "a/c.txt", "b.md"]);
        assert_eq!((all.passed_over, all.failures.len()), (1, 0));
        assert_eq!(
            names(&found(folder.path(), &["photo.PNG", "a/.hidden"])),
            ["photo.PNG", "a/.hidden"]
        );
    }

    #[test]
    fn a_pattern_is_what_fits_it() {
        let folder = folder(&["b.md", "a/c.md", "a/d/e.md", "a/d/f.txt", ".x/g.md"]);
        let of = |pattern| names(&found(folder.path(), &[pattern])).join(" ");

        assert_eq!(of("*.md"), "b.md");
        assert_eq!(of("**/*.md"), "b.md a/c.md a/d/e.md");
        assert_eq!(of("a/**"), "a/c.md a/d/e.md a/d/f.txt");
        assert_eq!(of("?/d"), "a/d/e.md a/d/f.txt");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let folder = folder(&["b.md"]);

        let found = found(folder.path(), &["none.md", "*.pdf"]);

        let said: Vec<_> =
            found.failures.iter().map(|(path, why)| (path.to_str().unwrap(), &**why)).collect();
        assert_eq!(said[0].0, "none.md");
        assert_eq!(said[1], ("*.pdf", "no file fits"));
    }

    #[test]
    fn a_name_fits_a_pattern_or_not() {
        for (pattern, name) in
            [("*", ""), ("a*b*c", "aXbYbZc"), ("?", "é"), ("*.tar.gz", "x.tar.gz"), ("a**", "a")]
        {
            assert!(fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a*b", "abc"), ("?", ""), ("?", "ab"), ("*.md", "md")] {
            assert!(!fits(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }
}
