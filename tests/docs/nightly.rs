//! What a night finds becomes an issue: `hack/nightly-issue.sh` writes it, and the workflow misses no job.

use std::{fs, path::Path, process::Command};

use cbw_testkit::program::run;

use crate::{items, read, yaml};

/// The title and the body of the issue for what a job has printed, and for the input that it has found.
fn issue(job: &str, log: &str, input: Option<&[u8]>) -> (String, String) {
    let file = |name| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{job}.{name}"));
    let mut command = Command::new("hack/nightly-issue.sh");
    command.args([job, "0123abc"]).arg(file("log"));
    fs::write(file("log"), log).unwrap();
    if let Some(input) = input {
        fs::write(file("input"), input).unwrap();
        command.arg(file("input"));
    }
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let (title, body) = ran.stdout.split_once("\n\n").unwrap();
    assert!(!title.is_empty() && !title.contains('\n'), "no title: {title}");
    (title.to_owned(), body.to_owned())
}

#[test]
fn a_found_seed_is_an_issue_with_its_command_line() {
    let log = "1000 histories from seed 7 on, 900000 events\nbroken: no status moves backwards\n\
               to see it: --show --seed 4038 --acts 6,7\nmake: *** [simulate] Error 1\n";
    let (title, body) = issue("histories", log, None);
    assert!(title.contains("4038"), "the title does not name the seed: {title}");
    for line in [
        "git checkout 0123abc",
        "target/histories/cbw-histories --show --seed 4038 --acts 6,7",
        "    broken: no status moves backwards",
    ] {
        assert!(body.contains(&format!("\n{line}\n")), "without {line}:\n{body}");
    }
}

#[test]
fn a_found_input_is_in_its_issue() {
    let log = "thread '<unnamed>' panicked at fuzz_targets/answer_to_plan.rs:68:9:\nplanned twice\n";
    let (title, body) = issue("fuzz", log, Some(b"{\"kind\":\x00\xff"));
    assert!(title.ends_with("answer_to_plan.rs:68:9:"), "the title does not name the place: {title}");
    // The input in base64.
    let commands = "\neyJraW5kIjoA/w==\nEND\ncargo +nightly fuzz run answer_to_plan found\n";
    assert!(body.contains(commands), "without the input:\n{body}");
}

#[test]
fn any_other_job_names_its_command() {
    // A log may hold what would end a block of code.
    let log = "command: make test-versions VERSIONS=1.31\n```\n# no heading\n";
    let (title, body) = issue("kubernetes-1.31", log, None);
    assert_eq!(title, "The nightly run fails: kubernetes-1.31");
    assert!(body.contains("\nmake test-versions VERSIONS=1.31\n```\n"), "{body}");
    assert!(body.contains("\n    ```\n    # no heading\n"), "the log is not indented:\n{body}");
}

#[test]
fn the_night_runs_on_every_version_of_kubernetes_and_no_job_is_without_an_issue() {
    let workflow = yaml(".github/workflows/nightly.yaml");
    let jobs = &workflow["jobs"];
    let versions = items(&jobs["versions"]["strategy"]["matrix"]["kubernetes"]);
    let versions: Vec<_> = versions.map(|version| version.as_str().unwrap()).collect();
    assert!(read("Makefile").contains(&format!("\nVERSIONS ?= {}\n", versions.join(" "))), "{versions:?}");
    for job in jobs.as_object().unwrap().keys().filter(|job| *job != "issues") {
        let is_awaited = items(&jobs["issues"]["needs"]).any(|awaited| awaited == job.as_str());
        assert!(is_awaited, "nobody opens an issue for the job {job}");
    }
}
