//! What scenarios promise: the tasks at each moment, and that nonsense is refused by place.

use super::*;

const CLUSTER: &str = "11111111-2222-3333-4444-555555555555";

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn script(tasks: &str) -> Script {
    let yaml = format!("clusters:\n  c:\n    tasks: {tasks}");
    Scenario::from_yaml(&yaml).unwrap().clusters["c"].clone()
}

fn problem(yaml: &str) -> String {
    Scenario::from_yaml(yaml).unwrap_err().to_string()
}

#[test]
fn the_built_in_scenario_succeeds_within_half_a_minute_and_fails_later() {
    let scenario = Scenario::built_in().unwrap();
    let script = &scenario.clusters[ANY_CLUSTER];
    let seen = |at| -> Vec<_> {
        let moments = script.play(seconds(at));
        moments.iter().map(|moment| (moment.phase.to_owned(), moment.progress.unwrap())).collect()
    };
    let one = |phase: &str, progress| vec![(phase.to_owned(), progress)];
    assert_eq!(seen(0), vec![]);
    assert_eq!(seen(2), one("Init", 0));
    assert_eq!(seen(4), one("Queuing", 0));
    assert_eq!(seen(6), one("Running", 0));
    assert_eq!(seen(18), one("Running", 50));
    assert_eq!(seen(29), one("Running", 95));
    assert_eq!(seen(30), one("Success", 100));
    assert_eq!(seen(74), one("Success", 100));
    assert_eq!(seen(75), [one("Init", 0), one("Success", 100)].concat());
    assert_eq!(seen(91), [one("Running", 57), one("Success", 100)].concat());
    assert_eq!(seen(92), [one("Failed", 62), one("Success", 100)].concat());
    assert!(script.play(seconds(92))[0].items[0].message.as_deref().unwrap().contains("no space left"));
    assert_eq!(script.play(seconds(91))[0].items[0].message, None);
}

#[test]
fn progress_never_runs_ahead_and_never_goes_back() {
    let script = script(
        "[{at: 0s, steps: [{phase: Running, progress: 0}, {after: 7s, phase: Success, progress: 100}]}]",
    );
    let mut before = (0, SignedDuration::ZERO);
    for millis in 0..=7_100 {
        let now = SignedDuration::from_millis(millis);
        let moment = script.play(now).remove(0);
        let progress = moment.progress.unwrap();
        assert!(progress >= before.0 && moment.updated >= before.1 && moment.updated <= now, "{millis} ms");
        assert_eq!(progress == 100, moment.phase == "Success", "{millis} ms");
        assert_eq!(
            progress != before.0,
            moment.updated != before.1,
            "{millis} ms: updated with each change only"
        );
        before = (progress, moment.updated);
    }
}

#[test]
fn a_progress_may_fall_stand_or_be_absent() {
    let script = script(
        "[{at: 0s, steps: [{phase: Running, progress: 80}, {after: 4s, phase: Running, progress: 40},
          {after: 8s, phase: Pause, progress: 40}, {after: 12s, phase: Pause}, {after: 16s, phase: Failed, progress: 1}]}]",
    );
    let progress = |at| script.play(seconds(at))[0].progress;
    assert_eq!(
        [0, 2, 4, 6, 8, 10, 12, 15, 16].map(progress),
        [Some(80), Some(60), Some(40), Some(40), Some(40), Some(40), None, None, Some(1)]
    );
}

#[test]
fn tasks_repeat_and_only_the_newest_are_kept() {
    let scenario =
        "clusters: {c: {keep: 3, tasks: [{at: -1h, repeatEvery: 10s, steps: [{phase: Success}]}]}}";
    let scenario = Scenario::from_yaml(scenario).unwrap();
    let created: Vec<_> =
        scenario.clusters["c"].play(seconds(25)).iter().map(|moment| moment.created).collect();
    assert_eq!(created, [20, 10, 0].map(seconds));
    let created: Vec<_> =
        scenario.clusters["c"].play(SignedDuration::MAX).iter().map(|moment| moment.created).collect();
    assert_eq!(created.len(), 3, "and nothing overflows");
}

#[test]
fn a_task_may_be_older_than_the_start_and_may_vanish() {
    let script =
        script("[{at: -24h, goneAfter: 25h, steps: [{phase: Running}, {after: 1h, phase: Success}]}]");
    let moment = script.play(seconds(0)).remove(0);
    assert_eq!((moment.phase, moment.updated), ("Success", SignedDuration::from_hours(-23)));
    assert_eq!(script.play(seconds(3_600)), []);
}

#[test]
fn a_task_keeps_its_uid_until_the_scenario_starts_again() {
    let script = script("[{at: 0s, steps: [{phase: Running, progress: 1}, {after: 9s, phase: Success}]}]");
    let epoch = Timestamp::from_second(1_700_000_000).unwrap();
    let later = Timestamp::from_second(1_700_000_001).unwrap();
    let uid = |at, epoch, cluster| script.play(seconds(at))[0].task(cluster, epoch).uid;
    let first = uid(0, epoch, CLUSTER);
    assert_eq!(first.len(), 36);
    assert_eq!(first, uid(10, epoch, CLUSTER));
    assert_ne!(first, uid(0, later, CLUSTER));
    assert_ne!(first, uid(0, epoch, "another"));
}

#[test]
fn nonsense_is_refused_by_its_place() {
    let step = "steps: [{phase: Init}]";
    let cases = [
        ("clusters: {c: {tasks: [{at: 99999h, STEP}]}}", "clusters.c.tasks[0].at: must be at most"),
        ("clusters: {c: {tasks: [{at: -99999h, STEP}]}}", "clusters.c.tasks[0].at: must be at least"),
        (
            "clusters: {c: {tasks: [{at: 0s, repeatEvery: 0s, STEP}]}}",
            "clusters.c.tasks[0].repeatEvery: must be",
        ),
        (
            "clusters: {c: {tasks: [{at: 0s, goneAfter: -1s, STEP}]}}",
            "clusters.c.tasks[0].goneAfter: must be",
        ),
        ("clusters: {c: {tasks: [{at: 0s, uid: '', STEP}]}}", "clusters.c.tasks[0].uid: must not be empty"),
        (
            "clusters: {c: {tasks: [{at: 0s, uid: a, repeatEvery: 9s, STEP}]}}",
            "clusters.c.tasks[0].uid: tasks that repeat cannot share one uid",
        ),
        (
            "clusters: {c: {tasks: [{at: 0s, steps: []}]}}",
            "clusters.c.tasks[0].steps: must be 1 to 200 steps, not 0",
        ),
        (
            "clusters: {c: {tasks: [{at: 0s, steps: [{after: 1s, phase: Init}]}]}}",
            "clusters.c.tasks[0].steps[0].after: must be 0s or absent in the first step",
        ),
        (
            "clusters: {c: {tasks: [{at: 0s, steps: [{phase: Init}, {after: 0s, phase: Running}]}]}}",
            "clusters.c.tasks[0].steps[1].after: must be later than that of the step before",
        ),
        (
            "clusters: {c: {tasks: [{at: 0s, steps: [{phase: Init, progress: 101}]}]}}",
            "clusters.c.tasks[0].steps[0].progress: must be 0 to 100",
        ),
        (
            "clusters: {c: {tasks: [{at: 0s, steps: [{phase: Init, progress: -1}]}]}}",
            "clusters.c.tasks[0].steps[0].progress: must be 0 to 100",
        ),
        (
            "clusters: {c: {tasks: [{at: 0s, steps: [{phase: ''}]}]}}",
            "clusters.c.tasks[0].steps[0].phase: must not be empty",
        ),
        (
            "clusters: {c: {tasks: [{at: 0s, steps: [{phase: Init, items: [{message: ''}]}]}]}}",
            "clusters.c.tasks[0].steps[0].items[0]: must not be empty",
        ),
        ("clusters: {c: {keep: 0}}", "clusters.c.keep: must be 1 to 1000 tasks, not 0"),
    ];
    for (yaml, expected) in cases {
        let problem = problem(&yaml.replace("STEP", step));
        assert!(problem.contains(expected), "{yaml}\n{problem}");
    }
}

#[test]
fn another_form_is_refused_with_the_line() {
    for yaml in [
        "",
        "clusters:\n  c:\n    task: []",
        "clusters:\n  c:\n    tasks:\n      - at: soon\n        steps: [{phase: Init}]",
        "clusters:\n  c: {}\n  c: {}",
        "clusters:\n  c: {tasks: [{at: 0s}]}",
        "clusters: {c: {tasks: [{at: 400d, steps: [{phase: Init}]}]}}",
        "a: [",
    ] {
        let error = Scenario::from_yaml(yaml).unwrap_err();
        assert!(matches!(error, ScenarioError::Form(_)), "{yaml}: {error}");
        assert!(yaml.is_empty() || error.to_string().contains("line"), "{error}");
    }
}
