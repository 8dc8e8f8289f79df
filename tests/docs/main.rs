//! What is written is true where a machine can tell without a control plane: links lead somewhere, the READMEs agree, every reason
//! has its remedy, the flags and values that are named exist, and alerts, workflows and versions agree with what they name.

mod commands;
mod gates;
mod generated;
mod monitoring;
mod nightly;
mod release;
mod values;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use cbw_testkit::{
    chart::CHART,
    markdown::{self, Document, Section, all},
};
use cce_backup_watch::api::{
    EventReason, Reason,
    condition::{Truth, types},
};
use serde_json::Value;

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";
/// The statuses of a condition.
const TRUTHS: [&str; 3] = ["True", "False", "Unknown"];

/// The text of a file of the repository.
fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The documents of a text in YAML, without the empty ones. A key that stands there twice is an error.
fn documents(text: &str) -> Vec<Value> {
    let mut documents: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
    documents.retain(|document| !document.is_null());
    documents
}

/// The one document of a file.
fn yaml(file: &str) -> Value {
    documents(&read(file)).pop().unwrap_or_default()
}

/// What is in a list; nothing where there is none.
fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The files of a folder.
fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).map(|path| path.display().to_string()).collect()
}

/// `a/../b` is `b`: what is compared has one name.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{} leads out of the repository", path.display()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// What is wrong with a link, if anything.
fn broken(link: &str, from: &Document, all: &[Document]) -> Option<&'static str> {
    if link.contains("://") {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let path = match file {
        "" => from.path.clone(),
        file => plain(&from.path.with_file_name(file)),
    };
    if !path.exists() {
        return Some("no such file");
    }
    let document = all.iter().find(|document| document.path == path);
    match (anchor, document) {
        (Some(anchor), Some(document)) if document.find(anchor).is_none() => Some("no such heading"),
        (Some(_), None) => Some("only a Markdown file has headings"),
        _ => None,
    }
}

#[test]
fn links_lead_somewhere() {
    let all = all();
    let mut links = 0;
    let mut wrong = Vec::new();
    for document in &all {
        for link in document.sections.iter().flat_map(|section| &section.links) {
            links += 1;
            wrong.extend(
                broken(link, document, &all).map(|why| format!("{}: {link}: {why}", document.path.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(links > 60, "only {links} links");
}

#[test]
fn the_index_lists_every_page() {
    let all = all();
    let index = all.iter().find(|document| document.path == Path::new("docs/README.md")).unwrap();
    let listed: BTreeSet<_> = index
        .sections
        .iter()
        .flat_map(|section| &section.links)
        .map(|link| plain(&Path::new("docs").join(link)))
        .collect();
    for document in &all {
        if document.path.parent() == Some(Path::new("docs")) && document.path != index.path {
            assert!(
                listed.contains(&document.path),
                "docs/README.md does not list {}",
                document.path.display()
            );
        }
    }
}

/// A link as it is in both languages: headings have other names, and the READMEs name each other.
fn neutral(link: &str, document: &Document) -> String {
    match link.strip_prefix('#') {
        Some(anchor) => format!("#{:?}", document.find(anchor)),
        None if link == ENGLISH || link == CHINESE => "the other README".to_owned(),
        None => link.to_owned(),
    }
}

fn links(section: &Section, document: &Document) -> BTreeSet<String> {
    section.links.iter().map(|link| neutral(link, document)).collect()
}

/// The rows of the tables, with what is the same in both languages: code, and the words of Kubernetes.
fn rows(section: &Section) -> Vec<Vec<Vec<String>>> {
    let words = |cell: &markdown::Cell| match cell.text.as_str() {
        "True" | "False" | "Unknown" => vec![cell.text.clone()],
        _ => cell.codes.clone(),
    };
    let row = |row: &Vec<markdown::Cell>| {
        // The order of the words in a sentence is the language's.
        let mut cells: Vec<Vec<String>> = row.iter().map(words).collect();
        cells.iter_mut().skip(1).for_each(|cell| cell.sort());
        cells
    };
    section.tables.iter().flatten().map(row).collect()
}

#[test]
fn the_chinese_readme_is_in_step() {
    let (english, chinese) = (Document::read(ENGLISH), Document::read(CHINESE));
    let headings =
        |document: &Document| document.sections.iter().map(|section| section.level).collect::<Vec<_>>();
    assert_eq!(headings(&chinese), headings(&english), "the headings differ in number or level");
    for (theirs, ours) in chinese.sections.iter().zip(&english.sections) {
        let place = format!("{:?} and {:?} differ", ours.heading, theirs.heading);
        assert_eq!(theirs.blocks, ours.blocks, "{place} in their commands");
        assert_eq!(rows(theirs), rows(ours), "{place} in their tables");
        assert_eq!(theirs.codes, ours.codes, "{place} in what they name");
        assert_eq!(theirs.numbers, ours.numbers, "{place} in their numbers");
        assert_eq!(links(theirs, &chinese), links(ours, &english), "{place} in their links");
    }
}

#[test]
fn each_readme_begins_with_a_link_to_the_other() {
    for (file, other) in [(ENGLISH, CHINESE), (CHINESE, ENGLISH)] {
        let document = Document::read(file);
        let top = document.sections.iter().find(|section| section.level == 1).unwrap();
        assert!(top.links.iter().any(|link| link == other), "{file} has no link to {other} at its top");
    }
}

/// The rows of the tables of a file whose first cell names exactly one thing in code: that name and the other cells.
fn explained(file: &str) -> Vec<(String, Vec<String>)> {
    let document = Document::read(file);
    let rows = document.sections.into_iter().flat_map(|section| section.tables).flatten();
    let rows = rows.filter_map(|row| {
        let (first, others) = row.split_first()?;
        let [name] = first.codes.as_slice() else { return None };
        Some((name.clone(), others.iter().map(|cell| cell.text.clone()).collect()))
    });
    rows.collect()
}

#[test]
fn the_readme_explains_every_reason_as_the_code_does() {
    let document = Document::read(ENGLISH);
    let named = document.named_in_tables();
    let rows = explained(ENGLISH);
    for reason in Reason::ALL {
        assert!(named.contains(reason.as_str()), "no table of {ENGLISH} has a row for {reason}");
        let verdict = [reason.status().as_str().to_owned(), reason.when().replace('`', "")];
        let stated = rows
            .iter()
            .filter(|(name, cells)| name == reason.as_str() && TRUTHS.contains(&cells[0].as_str()));
        for (_, cells) in stated.clone() {
            assert_eq!(cells.as_slice(), verdict, "{ENGLISH}, {reason}");
        }
        let of_the_backup = reason.is_of(types::BACKUP_HEALTHY);
        assert!(!of_the_backup || stated.count() > 0, "{ENGLISH} does not say when {reason} holds");
    }
}

#[test]
fn the_concepts_list_every_event_as_the_code_does() {
    let rows = explained("docs/concepts.md").into_iter();
    let events = rows.filter(|(_, cells)| ["Normal", "Warning"].contains(&cells[0].as_str()));
    let listed: Vec<_> = events.map(|(name, cells)| (name, cells.join(" | "))).collect();
    let expected: Vec<_> = EventReason::ALL
        .iter()
        .map(|reason| {
            let when = reason.when().replace('`', "");
            (reason.to_string(), format!("{:?} | {when}", reason.event_type()))
        })
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn every_reason_that_is_bad_news_has_a_remedy() {
    let troubleshooting = Document {
        sections: Document::read(ENGLISH)
            .sections
            .into_iter()
            .filter(|s| s.heading == "Troubleshooting")
            .collect(),
        path: ENGLISH.into(),
    };
    let treated = troubleshooting.named_in_tables();
    for reason in Reason::ALL.iter().filter(|reason| reason.status() != Truth::True) {
        assert!(
            treated.contains(reason.as_str()),
            "{ENGLISH}, Troubleshooting: there is no remedy for {reason}"
        );
    }
}

#[test]
fn every_reason_of_a_blind_watch_is_in_its_runbook() {
    for page in ["docs/runbooks/CCEBackupWatchNotReady.md", "docs/runbooks/zh-CN/CCEBackupWatchNotReady.md"] {
        let runbook = Document::read(page);
        let first = runbook
            .sections
            .iter()
            .flat_map(|section| &section.tables)
            .flatten()
            .filter_map(|row| row.first());
        let rows: BTreeSet<_> = first.flat_map(|cell| cell.text.split(", ")).collect();
        for reason in Reason::ALL.iter().filter(|r| r.is_of(types::READY) && r.status() != Truth::True) {
            // A resource that cannot be decoded has no metrics of its own, so the alert never names its reason.
            let is_named = *reason != Reason::InvalidResource;
            assert_eq!(rows.contains(reason.as_str()), is_named, "{page}: the row for {reason}");
        }
    }
}

#[test]
fn the_tools_that_deploy_are_tried_with_every_reason() {
    let verdicts = std::fs::read_to_string("tests/gitops/verdicts.txt").unwrap();
    for reason in Reason::ALL {
        assert!(
            verdicts.contains(&format!("/{reason} ")),
            "tests/gitops/verdicts.txt has no line with {reason}"
        );
    }
}
