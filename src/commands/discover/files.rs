//! Finds and reads the files of `--existing`: one file, or the manifests below a directory. What is left out on the way is
//! said, because a watch in it counts for nothing.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::yaml::{MAX_BYTES, utf8};
use crate::commands::{error::Error, output::note};

/// How the name of a manifest ends, in either case.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// The most names that a message on what is left out lists.
const NAMED: usize = 5;

/// The text of each manifest, with its place for messages.
pub fn texts(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let kind = fs::metadata(path).map_err(|error| unreadable(path.display(), &error))?;
    let files = if kind.is_dir() { below(path)? } else { [path.to_owned()].into() };
    files
        .into_iter()
        .map(|file| {
            let place = file.display().to_string();
            Ok((place.clone(), text(&place, regular(&file)?)?))
        })
        .collect()
}

/// The text of a stream, which is read to its end or to the limit.
pub fn text(place: &str, from: impl Read) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    from.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(place, &error))?;
    if bytes.len() > MAX_BYTES {
        let why = format!("it is larger than {} MiB", MAX_BYTES >> 20);
        return Err(Error::Manifest { place: place.to_owned(), why });
    }
    // A file without the kind holds no watch, whatever its encoding.
    let kind = crate::api::KIND.as_bytes();
    if !bytes.windows(kind.len()).any(|window| window == kind) {
        return Ok(String::new());
    }
    utf8(bytes).map_err(|why| Error::Manifest { place: place.to_owned(), why })
}

/// Opens a regular file. Opening a pipe would wait for whoever writes into it, perhaps for ever.
fn regular(path: &Path) -> Result<File, Error> {
    let is_regular = fs::metadata(path).as_ref().is_ok_and(Metadata::is_file);
    if !is_regular {
        let error = io::Error::other("it is no regular file; `-` reads standard input");
        return Err(unreadable(path.display(), &error));
    }
    File::open(path).map_err(|error| unreadable(path.display(), &error))
}

/// The manifests below a directory, sorted. Symbolic links to directories are not followed, because they may form a
/// cycle.
fn below(directory: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let (mut files, mut folders, mut left) = (BTreeSet::new(), vec![directory.to_owned()], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(folder.display(), &error))? {
            let entry = entry.map_err(|error| unreadable(folder.display(), &error))?;
            let path = entry.path();
            let own = entry.file_type().map_err(|error| unreadable(path.display(), &error))?;
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if own.is_dir() && !is_hidden {
                folders.push(path);
            } else if own.is_dir() || !is_manifest(&path) {
                // Hidden directories are those of git and of volumes; other files are no manifests.
            } else if is_hidden {
                left.insert(path);
            } else if fs::metadata(&path).map_err(|error| unreadable(path.display(), &error))?.is_file() {
                files.insert(path);
            } else {
                left.insert(path);
            }
        }
    }
    if !left.is_empty() {
        note(left_out(&left));
    }
    Ok(files)
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn left_out(paths: &BTreeSet<PathBuf>) -> String {
    let names: Vec<_> = paths.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    let more = paths.len().checked_sub(NAMED).filter(|more| *more > 0);
    let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
    format!(
        "left out, as names with a leading dot or no regular files: {}{more}; a watch in them does not count",
        names.join(", ")
    )
}

fn unreadable(place: impl std::fmt::Display, error: &io::Error) -> Error {
    Error::Manifest { place: place.to_string(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_known_by_its_extension_in_either_case() {
        for (name, is) in [
            ("a.yaml", true),
            ("a.YAML", true),
            ("a.Yml", true),
            ("a.json", true),
            ("a.yaml.bak", false),
            ("yaml", false),
        ] {
            assert_eq!(is_manifest(Path::new(name)), is, "{name}");
        }
    }

    #[test]
    fn what_is_left_out_is_named_up_to_a_limit() {
        let paths = (0..7).map(|n| PathBuf::from(format!("d/.{n}.yaml"))).collect();
        let told = left_out(&paths);
        assert!(told.contains("d/.4.yaml and 2 more") && !told.contains("d/.5.yaml"), "{told}");
    }
}
