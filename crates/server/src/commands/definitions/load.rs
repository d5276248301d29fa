//! The definitions of files.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::commands::rag::files;
use crate::definitions::files::Fault;
use crate::definitions::files::Filed;
use crate::definitions::files::read_file;
use crate::http::Invalid;

/// Bytes that a file may have.
const LONGEST: u64 = 4 << 20;
const ENDINGS: [&str; 3] = ["json", "yaml", "yml"];

/// Reads all definitions of what `paths` mean, or says what is wrong with them.
pub fn load(paths: &[PathBuf], kinds: &[&'static str]) -> (Vec<Filed>, Vec<Fault>) {
    let found = files::find(paths);
    let (mut filed, mut faults) = (Vec::new(), Vec::new());
    for (path, why) in found.failures {
        faults.push(unreadable(&named(&path), &why));
    }
    for path in found.files.iter().filter(|path| is_definition(path)) {
        let file = named(path);
        match read(path) {
            Ok(text) => {
                let (more, wrong) = read_file(&file, &text, kinds);
                filed.extend(more);
                faults.extend(wrong);
            }
            Err(why) => faults.push(unreadable(&file, &why)),
        }
    }
    faults.extend(doubles(&filed));
    (filed, faults)
}

fn named(path: &Path) -> Arc<str> {
    let shown = path.display().to_string();
    shown.strip_prefix("./").unwrap_or(&shown).into()
}

fn is_definition(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    ending.is_some_and(|it| ENDINGS.contains(&it.as_str()))
}

fn read(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LONGEST {
        return Err(format!("a file has at most {} MiB", LONGEST >> 20));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

fn unreadable(file: &Arc<str>, why: &str) -> Fault {
    Fault::of_file(file, 1, Invalid::new("", "unreadable", why))
}

/// Definitions that are there twice; names count without regard to case.
fn doubles(filed: &[Filed]) -> Vec<Fault> {
    let (mut seen, mut faults) = (HashMap::new(), Vec::new());
    for file in filed {
        let first = seen.entry((file.kind, file.name.to_ascii_lowercase())).or_insert(file);
        if !std::ptr::eq(*first, file) {
            let detail = format!("is there already, in {}:{}", first.file, first.line());
            faults.push(file.fault(Invalid::new("/name", "not_unique", detail)));
        }
    }
    faults
}
