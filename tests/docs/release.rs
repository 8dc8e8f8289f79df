//! What a release is made of: one version that everything names, its notes, pinned actions, and what Artifact Hub is told.

use std::{fs, path::Path, process::Command};

use cbw_testkit::program::{Ran, run};
use regex::Regex;
use serde_json::Value;

use crate::{CHART, files, items, read, yaml};

/// What names a version, by file: `{version}` is the version, and `{series}` its first two numbers. `hack/version.sh` writes it.
const NAMED: [(&str, &[&str]); 9] = [
    (
        "charts/cce-backup-watch/Chart.yaml",
        &["\nversion: {version}\n", "\nappVersion: \"{version}\"\n", "/cce-backup-watch:{version}\n"],
    ),
    ("charts/cce-backup-watch/README.md.gotmpl", &["version: {series}.x\n"]),
    ("config/README.md", &["?ref=v{version}\n"]),
    ("docs/gates/argocd-presync.yaml", &["cce-backup-watch:{version}\n"]),
    ("docs/gates/flux-job.yaml", &["cce-backup-watch:{version}\n"]),
    ("docs/gates/github.yaml", &["cce-backup-watch:{version}\n"]),
    ("docs/gates/gitlab-ci.yml", &["VERSION: {version}\n"]),
    (
        "docs/gitops.md",
        &[
            "semver: {series}.x\n",
            "targetRevision: {series}.*\n",
            "?ref=v{version}\n",
            "newTag: {version}\n",
            "/v{version}/crds/",
        ],
    ),
    ("docs/verify.md", &["semver: {series}.x\n"]),
];

/// What may name the old version: what was, what `make generate` writes, and what has a made-up version or another's.
const ELSEWHERE: &str = r"^\./(CHANGELOG\.md|bench/.*|docs/benchmarks\.md|config/(default|namespaced|monitoring)/.*|charts/[^/]+/README\.md|tests/.*|.*go\.(mod|sum)|.*Cargo\.lock):";

/// A copy of the repository, without what git ignores.
const COPY: &str =
    "set -o pipefail; rm -rf \"$0\"; mkdir \"$0\"; git ls-files -z --cached --others --exclude-standard |
    tar --null --files-from - --create | tar --extract --directory \"$0\"";

fn version_sh(folder: &Path, arguments: &[&str]) -> Ran {
    run(Command::new(folder.join("hack/version.sh")).args(arguments))
}

#[test]
fn the_version_of_this_tree_can_be_released() {
    version_sh(Path::new("."), &["--check"]).ended(0, "");
}

#[test]
fn a_new_version_is_written_everywhere() {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("version");
    run(Command::new("bash").args(["-c", COPY]).arg(&copy)).ended(0, "");
    let old = version_sh(&copy, &[]).stdout.trim().replace('.', "\\.");
    version_sh(&copy, &["1.2"]).ended(2, "1.2 is not a version");
    let (version, series) = ("12.34.56-rc.1", "12.34");
    assert_eq!(version_sh(&copy, &[version]).printed(), "");
    assert_eq!(version_sh(&copy, &[]).stdout.trim(), version);
    // Nothing has been written about it.
    version_sh(&copy, &["--check"]).said(1, "CHANGELOG.md says nothing of 12.34.56-rc.1");
    for (file, named) in NAMED {
        let text = fs::read_to_string(copy.join(file)).unwrap();
        for words in named.iter().map(|words| words.replace("{version}", version).replace("{series}", series))
        {
            assert!(text.contains(&words), "{file} does not carry {words:?}");
        }
    }
    let of_a_package = Regex::new(&format!("\nname = \"(cce|cbw)-[^\"]+\"\nversion = \"{old}\"")).unwrap();
    for file in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let found = of_a_package
            .find(&fs::read_to_string(copy.join(file)).unwrap())
            .map(|one| one.as_str().to_owned());
        assert_eq!(found, None, "{file}");
    }
    let series = old.rsplit_once("\\.").unwrap().0;
    let pattern = format!(r"(^|[^0-9.])({old}|{series}\.[x*])($|[^0-9A-Za-z-])");
    let found = run(Command::new("grep").args(["-rIE", &pattern, "."]).current_dir(&copy)).stdout;
    let elsewhere = Regex::new(ELSEWHERE).unwrap();
    let left: Vec<_> = found.lines().filter(|line| !elsewhere.is_match(line)).collect();
    assert!(left.is_empty() && !found.is_empty(), "these still have the old version: {left:#?}");
}

#[test]
fn the_notes_of_a_release_are_its_own_section() {
    let changelog = Path::new(env!("CARGO_TARGET_TMPDIR")).join("CHANGELOG.md");
    let text = "# Changelog\n\n## Unreleased\n\n- c\n\n## 0.2.0 - 2026-02-01\n\n### Added\n\n- b\n\n\
                ## [0.1.0] - 2026-01-01\n\n- a\n\n## 0.0.1\n\n";
    fs::write(&changelog, text).unwrap();
    let notes = |version| run(Command::new("hack/release-notes.sh").arg(version).arg(&changelog));
    assert_eq!(notes("0.2.0").stdout, "### Added\n\n- b\n");
    assert_eq!(notes("0.1.0").stdout, "- a\n");
    for version in ["0.2.0-rc.1", "0.0.1", "0.2", "9.9.9"] {
        notes(version).refused(1, &format!("says nothing of {version}\n"));
    }
}

#[test]
fn every_action_is_pinned_by_its_digest_and_says_its_version() {
    let pinned = Regex::new(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d").unwrap();
    let workflows: String = files(".github/workflows").iter().map(|file| read(file)).collect();
    let used =
        workflows.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: "));
    let actions: Vec<_> = used.filter(|action| !action.starts_with("./")).collect();
    for action in &actions {
        assert!(pinned.is_match(action), "{action}");
    }
    assert!(actions.len() >= 10, "only {} actions", actions.len());
}

#[test]
fn artifact_hub_is_told_what_there_is() {
    let annotations = &yaml(&format!("{CHART}/Chart.yaml"))["annotations"];
    let told = |about: &str, fields: &[&str]| {
        let text = annotations[format!("artifacthub.io/{about}")].as_str().unwrap();
        let told: Value = serde_saphyr::from_str(text).unwrap();
        for one in items(&told) {
            assert!(one.as_object().unwrap().keys().eq(fields), "{about}: {one}");
        }
        told.as_array().unwrap().clone()
    };
    assert_eq!(told("images", &["image", "name", "platforms"]).len(), 1);
    let crds = told("crds", &["description", "displayName", "kind", "name", "version"]);
    let [crd] = crds.as_slice() else { panic!("not one definition: {crds:?}") };
    let examples = told("crdsExamples", &["apiVersion", "kind", "metadata", "spec"]);
    assert!(!examples.is_empty());
    for example in examples {
        let version = example["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap().1;
        assert!(example["kind"] == crd["kind"] && version == crd["version"], "{example} of {crd}");
    }
}
