//! The commands, flags and values that pages name exist, and their commands do what the page says.

use std::collections::BTreeSet;

use cce_backup_watch::{
    api::{Reason, condition::types},
    cli::Cli,
};
use clap::CommandFactory;

use cbw_testkit::markdown::{Document, all, commands};

use crate::{CHART, CHINESE, ENGLISH, monitoring::rules, plain, yaml};

/// What the text and the tables of a page name in code.
fn codes(document: &Document) -> impl Iterator<Item = &str> {
    document.sections.iter().flat_map(|section| &section.codes).map(String::as_str)
}

/// What the alerts tell people to run.
fn commands_of_alerts() -> Vec<String> {
    let rules = rules();
    let descriptions = rules.iter().filter_map(|rule| rule["annotations"]["description"].as_str());
    descriptions.filter_map(|text| Some(text.split_once("Look: ")?.1.to_owned())).collect()
}

#[test]
fn commands_of_kubectl_print_what_is_looked_for() {
    let mut looked_at = 0;
    for command in commands().map(|(_, command)| command).chain(commands_of_alerts()) {
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
    for (path, command) in commands() {
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
            assert!(!is_needed || command.contains(flag), "{path}: without {flag}: {command}");
        }
        looked_at += 1;
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
    for (path, command) in commands() {
        if !command.contains("cce.backupwatch.io/requestedAt=") {
            continue;
        }
        assert!(command.contains("--namespace "), "{path}: in which namespace? {command}");
        // The date of macOS prints nothing, or the letter N, and an empty value is no request.
        assert!(!command.contains("--iso-8601") && !command.contains("%N"), "{path}: GNU date: {command}");
        assert!(command.contains("$RANDOM"), "{path}: the same value twice is one request: {command}");
        looked_at += 1;
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
    let values = yaml(&format!("{CHART}/values.yaml"));
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
