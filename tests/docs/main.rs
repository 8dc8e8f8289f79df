//! The documentation is true where a machine can tell: links lead somewhere, the READMEs agree, every reason has its remedy,
//! and the flags and values that are named exist.

mod markdown;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use cce_backup_watch::{
    api::{
        EventReason, Reason,
        condition::{Truth, types},
    },
    cli::Cli,
};
use clap::CommandFactory;
use markdown::{Document, Section};
use serde_json::Value;

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";
/// The statuses of a condition.
const TRUTHS: [&str; 3] = ["True", "False", "Unknown"];

/// Every Markdown file of the repository.
fn all() -> Vec<Document> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(Path::new(".").join(&folder)).unwrap() {
            let name = entry.unwrap().file_name();
            let path = folder.join(&name);
            if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 15, "only {} files", files.len());
    files.into_iter().map(Document::read).collect()
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

/// What the text and the tables of a page name in code.
fn codes(document: &Document) -> impl Iterator<Item = &str> {
    document.sections.iter().flat_map(|section| &section.codes).map(String::as_str)
}

/// The commands in the blocks of a page, each with the lines that it continues on, and without a prompt.
fn commands(document: &Document) -> Vec<String> {
    let texts = document.sections.iter().flat_map(|section| &section.blocks).map(|(_, text)| text);
    let joined = texts.map(|text| text.replace("\\\n", " "));
    let lines: Vec<_> = joined.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.iter().map(|line| line.trim().trim_start_matches("$ ").to_owned()).collect()
}

/// What the alerts tell people to run.
fn commands_of_alerts() -> Vec<String> {
    let text = std::fs::read_to_string("charts/cce-backup-watch/files/alerts.yaml").unwrap();
    let alerts: Value = serde_saphyr::from_str(&text).unwrap();
    let rules =
        alerts["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let descriptions = rules.filter_map(|rule| rule["annotations"]["description"].as_str());
    descriptions.filter_map(|text| Some(text.split_once("Look: ")?.1.to_owned())).collect()
}

#[test]
fn commands_of_kubectl_print_what_is_looked_for() {
    let mut commands: Vec<_> = all().iter().flat_map(commands).collect();
    commands.extend(commands_of_alerts());
    let mut looked_at = 0;
    for command in commands {
        // The column with the reason of Ready is printed with --output wide alone.
        if let Some((get, pattern)) = command.split_once("| grep ")
            && get.contains("kubectl get clusterbackupwatch")
            && Reason::ALL.iter().any(|reason| reason.is_of(types::READY) && pattern == reason.as_str())
        {
            assert!(
                get.contains("--output wide") || get.contains(".reason"),
                "this prints nothing: {command}"
            );
            looked_at += 1;
        }
        // With a selector kubectl prints the last ten lines of each pod's log and no more.
        if command.contains("kubectl logs") && command.contains("--selector") {
            assert!(command.contains("--tail"), "this leaves out most of the log: {command}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 5, "only {looked_at} commands");
}

#[test]
fn commands_of_helm_work_on_a_new_release_and_keep_the_values_of_an_old_one() {
    let mut looked_at = 0;
    for document in all() {
        for command in commands(&document) {
            let upgrades = command.starts_with("helm upgrade");
            if !upgrades && !command.starts_with("helm install") {
                continue;
            }
            let installs = !upgrades || command.contains("--install");
            for (flag, is_needed) in [
                ("--namespace cce-backup-watch", true),
                ("--create-namespace", installs),
                ("--reset-then-reuse-values", upgrades),
            ] {
                assert!(
                    !is_needed || command.contains(flag),
                    "{}: without {flag}: {command}",
                    document.path.display()
                );
            }
            looked_at += 1;
        }
    }
    assert!(looked_at > 8, "only {looked_at} commands");
}

/// What the commands and examples of a page name that exists only once there has been a release.
const PUBLISHED: [&str; 3] = ["ghcr.io/cce-backup-watch", "v0.1.0", "releases/download"];
const NOT_YET: &str = "docs/README.md#until-the-first-release";

#[test]
fn a_page_that_starts_from_a_registry_says_that_nothing_is_published_yet() {
    let mut pages = 0;
    for document in all() {
        let mut blocks = document.sections.iter().flat_map(|section| &section.blocks);
        if !blocks.any(|(_, text)| PUBLISHED.iter().any(|name| text.contains(name))) {
            continue;
        }
        let links = document.sections.iter().flat_map(|section| &section.links);
        let links: BTreeSet<_> =
            links.map(|link| plain(&document.path.with_file_name(link)).display().to_string()).collect();
        assert!(links.contains(NOT_YET), "{} has no link to {NOT_YET}", document.path.display());
        pages += 1;
    }
    assert!(pages >= 7, "only {pages} pages");
}

#[test]
fn a_command_that_requests_a_poll_works_everywhere_and_more_than_once_a_second() {
    let mut looked_at = 0;
    for document in all() {
        for command in commands(&document) {
            if !command.contains("cce.backupwatch.io/requestedAt=") {
                continue;
            }
            let path = document.path.display();
            assert!(command.contains("--namespace "), "{path}: in which namespace? {command}");
            // The date of macOS prints nothing, or the letter N, and an empty value is no request.
            assert!(
                !command.contains("--iso-8601") && !command.contains("%N"),
                "{path}: GNU date: {command}"
            );
            assert!(command.contains("$RANDOM"), "{path}: the same value twice is one request: {command}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 5, "only {looked_at} commands");
}

#[test]
fn the_flags_that_pages_name_exist() {
    let command = Cli::command();
    let flags: BTreeSet<_> = command
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long)
        .chain(["help"])
        .collect();
    let mut named = 0;
    // Pages where no other program's flags are named in a sentence.
    for file in [ENGLISH, CHINESE, "SECURITY.md", "docs/command-line.md", "docs/concepts.md"] {
        let document = Document::read(file);
        let words = codes(&document).flat_map(str::split_whitespace);
        for flag in words.filter_map(|word| word.strip_prefix("--")) {
            let flag = flag.split(['=', '|']).next().unwrap_or_default();
            assert!(flags.contains(flag), "{file}: there is no flag --{flag}");
            named += 1;
        }
    }
    assert!(named > 15, "only {named} flags");
}

#[test]
fn the_values_of_the_chart_that_pages_name_exist() {
    let values: Value =
        serde_saphyr::from_str(&std::fs::read_to_string("charts/cce-backup-watch/values.yaml").unwrap())
            .unwrap();
    let mut named = 0;
    for document in all() {
        for code in codes(&document) {
            let path = code.split('=').next().unwrap_or_default();
            let mut parts = path.split('.');
            let (Some(first), Some(_)) = (parts.next(), parts.clone().next()) else { continue };
            let is_word = path.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
            let Some(top) = values.get(first).filter(|_| is_word) else { continue };
            let found = parts.try_fold(top, |at, part| at.get(part));
            assert!(found.is_some(), "{}: the chart has no value {path}", document.path.display());
            named += 1;
        }
    }
    assert!(named > 15, "only {named} values");
}
