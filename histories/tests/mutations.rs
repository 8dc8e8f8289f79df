//! The faults of `mutations.tsv` can be put back: each mark and each text stands in the sources once. So a change that moves
//! a rule takes its mark along, and the table never names what is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../mutations.tsv");

/// Every file under a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The marks of the sources, and the lines that have them.
fn marks() -> BTreeMap<String, String> {
    let mut marks = BTreeMap::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    for file in files(&sources) {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let Some((code, mark)) = line.split_once(" // mark: ") else { continue };
            let before = marks.insert(mark.to_owned(), code.to_owned());
            assert!(before.is_none(), "{}: the mark {mark:?} stands twice", file.display());
        }
    }
    marks
}

#[test]
fn each_fault_names_a_mark_and_what_stands_in_its_line_once() {
    let marks = marks();
    let mut named = BTreeSet::new();
    for row in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let [trouble, mark, old, new] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {row:?}")
        };
        let line = marks.get(mark).unwrap_or_else(|| panic!("{trouble}: no line has the mark {mark:?}"));
        assert_eq!(line.matches(old).count(), 1, "{trouble}: {old:?} in {line:?}");
        assert_ne!(old, new, "{trouble}");
        named.insert(mark.to_owned());
    }
    assert_eq!(named, marks.into_keys().collect(), "each mark has a row");
}
