//! Tests of the parts of the documentation that are generated from the records: they fail if a part is not what
//! the record says, and write it if `UPDATE` is set, as `make generate` does.

use std::{fs, path::PathBuf};

use crate::{report::Report, scale, table};

const BEGIN: &str = "<!-- From the record in bench/, by `make generate`. -->\n";
const END: &str = "<!-- The end of what is generated. -->\n";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn record(name: &str) -> Report {
    serde_json::from_str(&fs::read_to_string(path(name)).unwrap()).unwrap()
}

/// The page with another text between its two marker comments.
fn filled(page: &str, text: &str) -> String {
    let (before, rest) = page.split_once(BEGIN).expect("the page has the first comment");
    let (_, after) = rest.split_once(END).expect("the page has the second comment");
    format!("{before}{BEGIN}\n{text}\n{END}{after}")
}

/// Writes the page if `UPDATE` is set, and fails if it is not up to date.
fn check(name: &str, text: &str) {
    let page = fs::read_to_string(path(name)).unwrap();
    let expected = filled(&page, text);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(name), &expected).unwrap();
    }
    assert!(
        fs::read_to_string(path(name)).unwrap() == expected,
        "{name} is out of date: run `make generate`"
    );
}

#[test]
fn the_benchmarks_have_the_figures_of_the_record() {
    check("docs/benchmarks.md", &table::tables(&record("bench/record.json")));
}

#[test]
fn the_page_about_scale_has_the_lines_through_the_record() {
    check("docs/scale.md", &scale::table(&record("bench/record-10000.json").builds[0]));
}

#[test]
fn only_what_is_between_the_comments_is_replaced() {
    let page = format!("before\n{BEGIN}old\n{END}after\n");
    let new = filled(&page, "new\n");
    assert_eq!(new, format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
    assert_eq!(filled(&new, "new\n"), new);
}
