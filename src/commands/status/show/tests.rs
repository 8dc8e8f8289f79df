use jiff::tz::{Offset, TimeZone};
use serde_json::json;

use super::*;
use crate::commands::watch::tests::{conditions, watch};

fn now() -> Now {
    Now { time: "2023-11-25T09:03:46Z".parse().unwrap(), zone: TimeZone::fixed(Offset::constant(8)) }
}

fn alive() -> Operator {
    Operator { state: State::Alive, message: "pod-1 holds the Lease a/b, renewed 3s ago".to_owned() }
}

fn good(name: &str) -> Watch {
    let status = json!({
        "phase": "Success", "progress": 100, "lastSuccess": { "uid": "a", "time": "2023-11-25T06:03:46Z" },
        "conditions": conditions(&[["Ready", "True", "Polled", ""], ["BackupHealthy", "True", "BackupSucceeded", "a succeeded"]]),
    });
    watch(name, json!({}), status)
}

fn blind(name: &str) -> Watch {
    let why =
        "the access key was refused (HTTP 401): put a key that the account knows into the Secret huawei";
    watch(
        name,
        json!({}),
        json!({ "conditions": conditions(&[["Ready", "False", "AuthenticationFailed", why]]) }),
    )
}

fn named(mut watch: Watch, name: &str) -> Watch {
    let metadata = json!({ "namespace": "ns", "name": watch.metadata.name, "annotations": { "cce.backupwatch.io/display-name": name } });
    watch.metadata = serde_json::from_value(metadata).unwrap();
    watch
}

#[test]
fn the_screen_has_the_worst_first_and_wide_names_align() {
    let watches = [named(good("prod"), "生产集群"), blind("test")];
    let text = Look::new(&watches, alive(), &now()).table(Screen::default(), &now());
    let expected = "\
2 watches at 2023-11-25 17:03 (UTC+08:00): 1 blind, 1 good
operator: alive: pod-1 holds the Lease a/b, renewed 3s ago

WATCH    DISPLAY NAME  VERDICT  LAST SUCCESS    WHY
ns/test  -             blind    -               AuthenticationFailed: the access key was refused (HTTP 401): put a key that the account knows into the Secret huawei
ns/prod  生产集群      good     3h ago (14:03)  BackupSucceeded: a succeeded
";
    assert_eq!(text, expected);
}

fn plain(text: &str) -> String {
    ["\x1b[31m", "\x1b[32m", "\x1b[0m"].iter().fold(text.to_owned(), |text, code| text.replace(code, ""))
}

#[test]
fn on_a_terminal_the_reason_is_wrapped_in_its_column() {
    let screen = Screen { size: Some((98, 40)), colour: true };
    let text = Look::new(&[good("prod"), blind("test")], alive(), &now()).table(screen, &now());
    let table: Vec<_> = plain(&text).lines().skip(3).map(str::to_owned).collect();
    assert_eq!(
        table,
        [
            "WATCH    VERDICT  LAST SUCCESS    WHY",
            "ns/test  blind    -               AuthenticationFailed: the access key was refused (HTTP 401): put",
            "                                  a key that the account knows into the Secret huawei",
            "ns/prod  good     3h ago (14:03)  BackupSucceeded: a succeeded",
        ]
    );
    assert!(text.contains("\x1b[31mblind\x1b[0m ") && text.contains("\x1b[32mgood\x1b[0m "));
}

#[test]
fn on_a_narrow_terminal_the_reason_stands_below_its_watch_and_is_whole() {
    let screen = Screen { size: Some((72, 40)), colour: true };
    let text = Look::new(&[good("prod"), blind("test")], alive(), &now()).table(screen, &now());
    let table: Vec<_> = plain(&text).lines().skip(3).map(str::to_owned).collect();
    assert_eq!(
        table,
        [
            "WATCH    VERDICT  LAST SUCCESS",
            "ns/test  blind    -",
            "    AuthenticationFailed: the access key was refused (HTTP 401): put a",
            "    key that the account knows into the Secret huawei",
            "ns/prod  good     3h ago (14:03)",
        ]
    );
    assert!(text.contains("\x1b[31mblind\x1b[0m ") && text.contains("\x1b[32mgood\x1b[0m "));
}

#[test]
fn a_reason_of_many_words_is_cut_after_three_lines() {
    let mut watch = blind("test");
    watch.status.conditions[0].message = "why ".repeat(200);
    let screen = Screen { size: Some((72, 40)), colour: false };
    let text = Look::new(&[watch], alive(), &now()).table(screen, &now());
    let reason: Vec<_> = text.lines().skip(5).collect();
    assert!(reason.len() == 3 && reason[2].ends_with("why…") && reason[2].len() <= 76, "{reason:?}");
}

#[test]
fn only_good_watches_are_left_out_of_a_small_screen() {
    let mut watches: Vec<_> = (0..100).map(|n| good(&format!("good-{n:03}"))).collect();
    watches.extend((0..20).map(|n| blind(&format!("blind-{n:03}"))));
    let look = Look::new(&watches, alive(), &now());
    let small = look.table(Screen { size: Some((400, 10)), colour: false }, &now());
    assert_eq!((small.matches("ns/blind").count(), small.matches("ns/good").count()), (20, 0));
    assert!(small.ends_with("and 100 more that are good (in a pipe all are listed)\n"), "{small}");
    let large = look.table(Screen { size: Some((400, 36)), colour: false }, &now());
    assert_eq!((large.matches("ns/blind").count(), large.matches("ns/good").count()), (20, 10));
    assert_eq!(look.table(Screen::default(), &now()).matches("ns/").count(), 120);
}

#[test]
fn a_running_upgrade_has_a_column_and_one_that_is_over_has_none() {
    let with = |phase: &str| {
        let mut watch = good("prod");
        watch.status.upgrade =
            serde_json::from_value(json!({ "phase": phase, "toVersion": "v1.34.8-r2" })).unwrap();
        Look::new(&[watch], alive(), &now()).table(Screen::default(), &now())
    };
    assert!(with("Running").contains("to v1.34.8-r2") && with("Pending").contains("UPGRADE"));
    assert!(!with("Success").contains("UPGRADE") && !with("Cancel").contains("UPGRADE"));
}

#[test]
fn what_is_bad_is_known_to_be_bad() {
    let of = |watches: &[Watch], state| {
        Look::new(watches, Operator { state, message: String::new() }, &now()).is_bad()
    };
    assert!(!of(&[good("a")], State::Alive) && !of(&[good("a")], State::Unknown) && !of(&[], State::Alive));
    assert!(of(&[good("a")], State::Away) && of(&[good("a"), blind("b")], State::Alive));
}

#[test]
fn json_has_every_field() {
    let look = Look::new(&[named(good("prod"), "生产")], alive(), &now());
    assert_eq!(
        serde_json::to_value(&look).unwrap(),
        json!({
            "time": "2023-11-25T09:03:46Z",
            "operator": { "state": "alive", "message": "pod-1 holds the Lease a/b, renewed 3s ago" },
            "watches": [{
                "namespace": "ns", "name": "prod", "displayName": "生产", "verdict": "good",
                "reason": "BackupSucceeded", "message": "a succeeded", "lastSuccess": "2023-11-25T06:03:46Z",
                "suspended": false, "phase": "Success", "progress": 100,
            }],
        })
    );
}
