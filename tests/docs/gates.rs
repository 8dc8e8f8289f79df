//! The examples of the pages can be used as they are: each is a whole resource, and a gate ends and lets an upgrade begin where it
//! backs up.

use cbw_testkit::markdown::Document;

use crate::{documents, files, items, read, yaml};

#[test]
fn every_example_is_a_resource() {
    for page in
        ["docs/gitops.md", "docs/concepts.md", "docs/operations.md", "docs/verify.md", "docs/README.md"]
    {
        let blocks = Document::read(page).sections.into_iter().flat_map(|section| section.blocks);
        for document in
            blocks.filter(|(language, _)| language == "yaml").flat_map(|(_, text)| documents(&text))
        {
            assert!(document["apiVersion"].is_string() && document["kind"].is_string(), "{page}: {document}");
        }
    }
}

/// A Job without an end waits for ever for a pod that cannot start, and with it a sync, a pipeline or every later run of a
/// schedule. The Jobs that the chart renders are in its unit tests.
#[test]
fn every_job_of_the_documentation_ends() {
    let files = files("docs/gates").into_iter();
    let documents = files.flat_map(|file| documents(&read(&file)));
    let jobs: Vec<_> = documents.filter(|document| document["kind"] == "Job").collect();
    for job in &jobs {
        let seconds = job["spec"]["activeDeadlineSeconds"].as_u64();
        assert!(seconds > Some(3600), "its pod has an hour, and it {seconds:?}: {}", job["metadata"]);
    }
    assert!(jobs.len() >= 3, "only {} Jobs", jobs.len());
}

/// A job that only waits for another one is run again alone, and then the success of the other may be of yesterday.
#[test]
fn a_pipeline_upgrades_in_the_job_that_backs_up() {
    let (github, gitlab) = (yaml("docs/gates/github.yaml"), yaml("docs/gates/gitlab-ci.yml"));
    let of_github = github["jobs"].as_object().unwrap().values();
    let of_gitlab = gitlab.as_object().unwrap().values();
    let steps = of_github.map(|job| items(&job["steps"]).map(|step| &step["run"]).collect());
    let jobs: Vec<Vec<_>> = steps.chain(of_gitlab.map(|job| items(&job["script"]).collect())).collect();
    assert_eq!(jobs.len(), 2, "not one job for each: {jobs:?}");
    for commands in jobs {
        let says = |at: usize, words| commands[at].as_str().is_some_and(|command| command.contains(words));
        let in_order = says(0, "backup --if-older-than") && says(1, "upgrade");
        assert!(commands.len() == 2 && in_order, "it does not back up and then upgrade: {commands:?}");
    }
}
