//! The table of Events, line by line: those of tasks.

use super::*;
use crate::api::EventReason;
use crate::controller::plan::events::MILESTONES;

/// What happened, the answers in order (the Events of the last one count), and those Events.
type Row = (&'static str, Vec<Vec<Task>>, &'static [&'static str]);

fn success(uid: &str, created: i64) -> Task {
    task(uid, "Success", created)
}

#[rustfmt::skip]
fn table() -> Vec<Row> {
    let base = || success("old", -60);
    let r = |progress| running("r", 10, progress);
    let phase = |phase: &str| Task { progress: Some(5), ..task("r", phase, 10) };
    vec![
        ("a task is first seen unfinished", vec![vec![base()], vec![base(), r(0)]], &["Normal BackupStarted"]),
        ("a task is first seen Queuing", vec![vec![base()], vec![base(), phase("Queuing")]], &["Normal BackupStarted"]),
        ("a task is first seen without a phase", vec![vec![base()], vec![base(), Task { phase: None, ..r(0) }]], &["Normal BackupStarted"]),
        ("milestones below its first progress count as reached", vec![vec![base()], vec![r(67)], vec![r(70)]], &[]),
        ("it is still there", vec![vec![], vec![r(0)], vec![r(0)]], &[]),
        ("a little progress", vec![vec![], vec![r(0)], vec![r(24)]], &[]),
        ("25 %", vec![vec![], vec![r(24)], vec![r(25)]], &["Normal BackupProgressing"]),
        ("50 %", vec![vec![], vec![r(49)], vec![r(50)]], &["Normal BackupProgressing"]),
        ("75 %", vec![vec![], vec![r(74)], vec![r(99)]], &["Normal BackupProgressing"]),
        ("three milestones in one poll are one Event", vec![vec![], vec![r(0)], vec![r(80)]], &["Normal BackupProgressing"]),
        ("progress appears", vec![vec![], vec![task("r", "Running", 10)], vec![r(30)]], &["Normal BackupProgressing"]),
        ("100 % while still running", vec![vec![], vec![r(80)], vec![r(100)]], &[]),
        ("between two unfinished phases", vec![vec![], vec![phase("Init")], vec![phase("Running")]], &["Normal BackupPhaseChanged"]),
        ("to a phase nobody documented", vec![vec![], vec![phase("Running")], vec![phase("Verifying")]], &["Normal BackupPhaseChanged"]),
        ("to no phase", vec![vec![], vec![r(5)], vec![Task { phase: None, ..r(5) }]], &["Normal BackupPhaseChanged"]),
        ("phase and milestone in one poll", vec![vec![], vec![phase("Init")], vec![r(30)]], &["Normal BackupPhaseChanged", "Normal BackupProgressing"]),
        ("a running task succeeds", vec![vec![], vec![r(5)], vec![success("r", 10)]], &["Normal BackupSucceeded"]),
        ("a running task succeeds at 100 %", vec![vec![], vec![r(5)], vec![Task { progress: Some(100), ..success("r", 10) }]], &["Normal BackupSucceeded"]),
        ("a running task fails", vec![vec![], vec![r(5)], vec![failed("r", 10)]], &["Warning BackupFailed"]),
        ("a task begins and succeeds between two polls", vec![vec![base()], vec![base(), success("s", 10)]], &["Normal BackupSucceeded"]),
        ("a task begins and fails between two polls", vec![vec![base()], vec![base(), failed("f", 10)]], &["Warning BackupFailed"]),
        ("a finished task is still listed", vec![vec![], vec![failed("r", 10)], vec![failed("r", 10)]], &[]),
        ("a finished task is no longer listed", vec![vec![], vec![failed("r", 10)], vec![]], &[]),
        ("an unfinished task is no longer listed", vec![vec![], vec![r(5)], vec![]], &[]),
        ("one ends and the next begins in one poll, as it happened", vec![vec![], vec![r(5)], vec![running("q", 20, 0), success("r", 10)]], &["Normal BackupSucceeded", "Normal BackupStarted"]),
        ("the first poll reports only the newest: it runs", vec![vec![success("s", 5), failed("f", 1), r(5)]], &["Normal BackupStarted"]),
        ("the first poll reports only the newest: it is good", vec![vec![failed("f", 1), success("s", 5)]], &["Normal BackupSucceeded"]),
        ("the first poll reports only the newest: it failed", vec![vec![success("s", 1), failed("f", 5)]], &["Warning BackupFailed"]),
        ("the first poll finds a success from before the watch was made", vec![vec![success("s", -60)]], &[]),
        ("the first poll finds a failure from before the watch was made", vec![vec![failed("f", -60)]], &[]),
        ("the first poll finds a success of an unknown time", vec![vec![timeless(success("s", 0))]], &[]),
        ("the first poll finds one that runs since before the watch was made", vec![vec![running("r", -60, 5)]], &["Normal BackupStarted"]),
        ("the first poll finds one that stood still long before", vec![vec![running("r", -300, 5)]], &["Normal BackupStarted", "Warning BackupStuck"]),
        ("the first poll after a success from before says no more", vec![vec![base()], vec![base()]], &[]),
        ("the first poll finds none", vec![vec![]], &[]),
        ("the first backup after an empty first poll", vec![vec![], vec![r(5)]], &["Normal BackupStarted"]),
        ("a task older than the newest known comes to light", vec![vec![r(5)], vec![r(5), failed("f", 1), running("q", 2, 1)]], &[]),
        ("an answer came short, and then whole again", vec![vec![r(5), success("s", 1), failed("f", 0)], vec![], vec![r(5), success("s", 1), failed("f", 0)]], &["Normal BackupStarted"]),
        ("a rollback is first seen", vec![vec![], vec![rollback(r(5))]], &[]),
        ("a rollback is the newest of the first poll", vec![vec![rollback(r(5)), success("s", 1)]], &["Normal BackupSucceeded"]),
        ("a rollback makes progress", vec![vec![], vec![rollback(r(5))], vec![rollback(r(80))]], &[]),
        ("a rollback changes phase", vec![vec![], vec![rollback(phase("Init"))], vec![rollback(phase("Running"))]], &["Normal BackupPhaseChanged"]),
        ("a rollback succeeds", vec![vec![], vec![rollback(r(5))], vec![rollback(success("r", 10))]], &[]),
        ("a rollback fails", vec![vec![], vec![rollback(r(5))], vec![rollback(failed("r", 10))]], &[]),
        ("a rollback is first seen failed", vec![vec![base()], vec![base(), rollback(failed("r", 10))]], &[]),
        ("a task without any time is of unknown age", vec![vec![base()], vec![base(), timeless(r(5))]], &[]),
        ("a task without any time fails", vec![vec![base()], vec![timeless(r(5))], vec![timeless(failed("r", 0))]], &["Warning BackupFailed"]),
    ]
}

#[test]
fn every_line_of_the_table_of_events_holds() {
    for (what, answers, expected) in table() {
        let mut watch = Watch::new();
        let mut events = Vec::new();
        for tasks in &answers {
            watch.wait(Duration::from_mins(1));
            events = told(&watch.answer(tasks));
        }
        assert_eq!(events, expected, "{what}");
    }
}

#[test]
fn a_crash_before_the_write_repeats_the_same_events() {
    for (what, answers, _) in table() {
        let mut watch = Watch::new();
        for tasks in &answers {
            let answer = Answer { tasks: tasks.clone(), ..Default::default() };
            watch.wait(Duration::from_mins(1));
            let first = watch.peek(Some(&answered(answer)));
            watch.wait(Duration::from_mins(1));
            assert_eq!(names(&first), names(&watch.answer(tasks)), "{what}");
        }
    }
}

#[test]
fn a_suspended_or_failing_poll_tells_nothing_of_tasks() {
    let mut watch = Watch::new();
    watch.answer(&[running("r", 0, 1)]);
    watch.change(|spec| spec.suspend = true);
    assert_eq!(told(&watch.answer(&[failed("r", 0)])), [""; 0]);
    watch.change(|spec| spec.suspend = false);
    assert_eq!(told(&watch.fault(FaultKind::Throttled)), [""; 0]);
    assert_eq!(
        told(&watch.answer(&[failed("r", 0)])),
        ["Warning BackupFailed"],
        "it is told after the end of it"
    );
}

#[test]
fn changing_the_history_limit_reports_nothing() {
    let tasks = [
        running("e", 50, 1),
        task("d", "Success", 40),
        failed("c", 30),
        task("b", "Success", 20),
        failed("a", 10),
    ];
    let mut watch = Watch::new();
    watch.at(60).answer(&tasks);
    for limit in [1, 50, 2, 3, 1, 10] {
        watch.change(|spec| spec.history_limit = limit);
        assert_eq!(told(&watch.nothing()), [""; 0], "to {limit}");
        assert_eq!(told(&watch.answer(&tasks)), [""; 0], "to {limit}");
    }
}

#[test]
fn with_a_history_of_one_an_answer_that_came_short_makes_no_news_of_the_past() {
    let mut watch = Watch::with(|spec| spec.history_limit = 1);
    let past = [running("r", 30, 1), task("c", "Success", 20), failed("b", 10), task("a", "Success", 1)];
    let first = watch.at(40).answer(&past);
    watch.answer(&[]);
    assert_eq!(watch.tasks(), [""; 0]);
    assert_eq!(
        names(&watch.answer(&past)),
        names(&first),
        "the running one by the name it had, and no other"
    );
}

#[test]
fn with_a_history_of_one_every_transition_is_still_told() {
    let mut watch = Watch::with(|spec| spec.history_limit = 1);
    let mut events = Vec::new();
    for tasks in [
        vec![task("a", "Success", 1)],
        vec![running("b", 10, 0), task("a", "Success", 1)],
        vec![rollback(running("x", 12, 1)), running("b", 10, 60), task("a", "Success", 1)],
        vec![rollback(running("x", 12, 1)), failed("b", 10), task("a", "Success", 1)],
        vec![rollback(running("x", 12, 1)), failed("b", 10), task("a", "Success", 1)],
        vec![task("c", "Success", 20), failed("b", 10), task("a", "Success", 1)],
    ] {
        watch.wait(Duration::from_mins(10));
        events.extend(told(&watch.answer(&tasks)));
    }
    let expected = [
        "Normal BackupSucceeded",
        "Normal BackupStarted",
        "Normal BackupProgressing",
        "Warning BackupFailed",
        "Normal BackupSucceeded",
    ];
    assert_eq!(events, expected);
}

#[test]
fn each_of_many_pauses_is_an_event_of_its_own() {
    let mut watch = Watch::new();
    watch.answer(&[running("r", 0, 5)]);
    let mut seen = std::collections::HashSet::new();
    for round in 0..5 {
        for phase in ["Pause", "Running"] {
            watch.wait(Duration::from_secs(2));
            let plan = watch.answer(&[Task { progress: Some(5), ..task("r", phase, 0) }]);
            assert_eq!(told(&plan), ["Normal BackupPhaseChanged"], "round {round}");
            assert!(seen.insert(plan.events[0].name.clone()), "round {round} repeats a name");
        }
    }
}

#[test]
fn no_milestone_of_a_task_is_told_twice() {
    let mut watch = Watch::new();
    watch.answer(&[running("r", 0, 0)]);
    let mut seen = std::collections::HashSet::new();
    for progress in [30, 10, 30, 55, 20, 55, 80, 0, 100] {
        let plan = watch.answer(&[running("r", 0, progress)]);
        seen.extend(plan.events.into_iter().map(|event| event.name));
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn a_note_gives_the_task_its_phase_and_its_progress() {
    let mut watch = Watch::new();
    let note = |plan: Plan| plan.events.into_iter().next().unwrap().note;
    assert_eq!(note(watch.answer(&[running("r", 0, 3)])), "task r (Running, 3 %): backup started");
    assert_eq!(note(watch.answer(&[running("r", 0, 67)])), "task r (Running, 67 %): reached 50 %");
    let paused = task("r", "Pause", 0);
    let changed = "task r (Pause, no progress given): phase changed from Running to Pause";
    assert_eq!(note(watch.answer(&[paused])), changed);
    let because = "task r (Failed, no progress given): backup failed: master-backup: etcd is down";
    assert_eq!(note(watch.answer(&[failed("r", 0)])), because, "the failing items' messages, and no others");
    let succeeded = "task s (Success, no progress given): backup succeeded";
    assert_eq!(note(watch.answer(&[task("s", "Success", 5)])), succeeded);
}

#[test]
fn a_note_begins_with_the_name_that_people_know_the_cluster_by() {
    let note = |name: &str| {
        let mut watch = Watch { display_name: Some(name.to_owned()), ..Watch::new() };
        watch.answer(&[running("r", 0, 3)]).events[0].note.clone()
    };
    assert_eq!(note("测试集群"), "测试集群: task r (Running, 3 %): backup started");
    assert_eq!(note(" \n"), "task r (Running, 3 %): backup started", "no name");
    assert_eq!(
        note("a\nb\u{202e}"),
        "a b\u{fffd}: task r (Running, 3 %): backup started",
        "as a line of text"
    );
    let long = note(&"集".repeat(9999));
    assert!(long.contains("…: task r (Running, 3 %)") && long.len() < 1024, "{long}");
    let mut named = Watch { display_name: Some("prod".into()), ..Watch::new() };
    let mut unnamed = Watch::new();
    let tasks = [running("r", 0, 3)];
    assert_eq!(names(&named.answer(&tasks)), names(&unnamed.answer(&tasks)), "a name is no other Event");
}

#[test]
fn a_note_stays_below_a_kilobyte_whatever_the_cloud_says() {
    let long = |char: &str, chars| Some(char.repeat(chars));
    for char in ["x", "é", "备", "🦀", "\"", "\u{fffd}"] {
        let item = Item {
            type_: long(char, 64),
            status: Some("Failed".into()),
            message: long(char, 256),
            ..Default::default()
        };
        let hostile = |phase: Option<String>| Task {
            phase,
            items: vec![item.clone(); 32],
            ..running(&char.repeat(128), 0, 1)
        };
        let mut watch = Watch::new();
        for phase in [long(char, 64), long(char, 63), Some("Failed".into())] {
            let plan = watch.answer(&[hostile(phase)]);
            assert_eq!(plan.events.len(), 1);
            assert!(plan.events[0].note.len() < 1024, "{}", plan.events[0].note.len());
        }
    }
}

#[test]
fn the_documentation_has_the_milestones_of_the_code() {
    let mut milestones = MILESTONES.map(|percent| percent.to_string());
    milestones.reverse();
    let (last, others) = milestones.split_last().unwrap();
    let words = format!("{} or {last} %", others.join(", "));
    assert!(EventReason::BackupProgressing.when().contains(&words), "src/api/reason.rs does not say {words}");
    for (page, text, words) in [
        ("README.md", include_str!("../../../../README.md"), format!("({} %)", milestones.join(", "))),
        (
            "README.zh-CN.md",
            include_str!("../../../../README.zh-CN.md"),
            format!("（{}）", milestones.clone().map(|percent| percent + "%").join("、")),
        ),
    ] {
        let words = format!("`BackupProgressing`{}{words}", if words.starts_with('(') { " " } else { "" });
        assert!(text.contains(&words), "{page} does not say {words}");
    }
}
