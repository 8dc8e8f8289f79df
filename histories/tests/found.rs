//! Histories that once broke a promise, each reduced to the acts that it took.

use std::time::Duration;

use cbw_histories::{
    history::run,
    script::{Act, CloudTrouble, End, Level, Script, Snapshot, UpgradeEnd, Verb, WatchPlan},
};

/// One account with one cluster and two watches of it, one of them with a Secret of its own.
fn script(acts: &[(u64, Act)]) -> Script {
    let watch = |secret| WatchPlan {
        cluster: 0,
        secret,
        interval: 30,
        active: 2,
        max_age: None,
        stuck_after: 7200,
        limit: 10,
        upgrades: false,
    };
    let calm = Duration::from_mins(10);
    Script {
        seed: 1,
        accounts: vec![0],
        clusters: vec![0],
        secrets: vec![(0, 0), (1, 0)],
        watches: vec![watch(0), watch(1)],
        rate: (5.0, 10),
        acts: acts.iter().map(|(at, act)| (Duration::from_secs(*at), *act)).collect(),
        calm,
        end: calm + Duration::from_mins(15),
    }
}

const fn backup(steps: u8, step: u64) -> Act {
    Act::Backup { cluster: 0, steps, step, end: End::In("Success"), rollback: false, pauses: true }
}

fn holds(acts: &[(u64, Act)]) {
    script_holds(&script(acts));
}

fn script_holds(script: &Script) {
    let finding = run(script, false).finding;
    assert!(finding.is_none(), "{}", finding.unwrap());
}

#[test]
fn a_history_without_trouble() {
    holds(&[(50, backup(5, 10))]);
}

#[test]
fn a_list_of_an_older_moment_leaves_out_a_resource_that_was_created_since() {
    holds(&[
        (50, Act::Recreate { watch: 1, after: 37 }),
        (126, Act::Relist { back: 46 }),
        (158, backup(6, 19)),
    ]);
}

#[test]
fn a_process_whose_stream_is_silent_meets_another_that_writes() {
    holds(&[
        (44, Act::Silence { for_: 277, ends: false }),
        (48, backup(3, 35)),
        (82, Act::Second { for_: 27 }),
    ]);
}

#[test]
fn an_older_answer_waits_for_an_event_while_another_process_writes_a_newer_one() {
    holds(&[
        (136, backup(3, 34)),
        (214, Act::Second { for_: 336 }),
        (306, backup(1, 11)),
        (307, Act::ApiCode { verb: Verb::Post, code: 500, for_: 14 }),
    ]);
}

#[test]
fn a_stale_list_shows_a_resource_as_undecodable_that_was_mended() {
    holds(&[(83, Act::Undecodable { watch: 1, for_: 21 }), (118, Act::Relist { back: 23 })]);
}

#[test]
fn events_are_answered_with_409_by_something_in_between() {
    let garbage = Act::Cloud { level: Level::Cluster(0), trouble: CloudTrouble::Garbage, for_: 176 };
    holds(&[(143, Act::ApiCode { verb: Verb::Post, code: 409, for_: 40 }), (120, garbage)]);
}

#[test]
fn status_writes_are_answered_with_409_while_a_backup_runs() {
    holds(&[(35, backup(8, 30)), (60, Act::ApiCode { verb: Verb::Put, code: 409, for_: 222 })]);
}

#[test]
fn a_person_asks_for_a_poll_of_a_watch_whose_status_was_restored() {
    holds(&[(279, Act::Restore { watch: 1, back: 90 }), (286, Act::Request { watch: 1 })]);
}

#[test]
fn a_backup_finishes_while_an_earlier_event_of_it_still_cannot_be_created() {
    holds(&[(30, backup(2, 61)), (90, Act::ApiCode { verb: Verb::Post, code: 500, for_: 90 })]);
}

#[test]
fn many_events_at_once_are_not_repeated_while_the_status_cannot_be_written() {
    // Four at the first answer after the refusals: a backup succeeded, which is stale by now, another started, polls recovered.
    let refused = Act::Cloud { level: Level::Account(0), trouble: CloudTrouble::Refuse, for_: 171 };
    let mut script = script(&[
        (210, refused),
        (260, backup(1, 9)),
        (395, Act::ApiCode { verb: Verb::Put, code: 409, for_: 217 }),
        (400, backup(5, 60)),
    ]);
    script.watches.iter_mut().for_each(|watch| watch.max_age = Some(100));
    script_holds(&script);
}

#[test]
fn two_watches_of_one_cluster_are_listed_as_of_a_moment_before_their_requests_were_answered() {
    let mut script = script(&[
        (54, Act::Silence { for_: 116, ends: false }),
        (113, Act::Request { watch: 0 }),
        (138, Act::Request { watch: 1 }),
        (201, Act::Request { watch: 1 }),
        (265, Act::Relist { back: 107 }),
    ]);
    (script.watches[0].interval, script.watches[1].interval, script.watches[1].secret) = (20, 13, 0);
    script_holds(&script);
}

#[test]
fn a_stale_list_shows_a_resource_that_was_deleted_and_whose_key_is_refused() {
    let mut script = script(&[
        (38, Act::Suspend { watch: 1, for_: 151 }),
        (76, Act::Silence { for_: 189, ends: true }),
        (236, Act::Rotate { secret: 0, late: 150 }),
        (283, Act::Recreate { watch: 1, after: 51 }),
        (291, Act::Relist { back: 42 }),
    ]);
    script.clusters.push(0);
    (script.watches[1].cluster, script.watches[1].secret) = (1, 0);
    script_holds(&script);
}

#[test]
fn a_silent_stream_does_not_tell_that_one_of_two_resources_cannot_be_decoded_while_a_backup_runs() {
    let mut script = script(&[
        (84, Act::Silence { for_: 395, ends: false }),
        (156, backup(1, 17)),
        (166, Act::Undecodable { watch: 0, for_: 161 }),
    ]);
    script.watches[1].secret = 0;
    script_holds(&script);
}

#[test]
fn a_silent_stream_does_not_tell_that_one_of_two_resources_was_created_anew_while_a_backup_runs() {
    let running =
        Act::Backup { cluster: 0, steps: 5, step: 23, end: End::Never, rollback: false, pauses: false };
    let mut script = script(&[
        (183, Act::Silence { for_: 382, ends: true }),
        (350, Act::Recreate { watch: 1, after: 32 }),
        (445, running),
    ]);
    script.watches[1].secret = 0;
    script_holds(&script);
}

#[test]
fn a_process_starts_with_an_old_list_and_tells_no_transition_that_did_not_happen() {
    // In the list a backup runs that has succeeded since. The cloud says by now that it has not ended.
    holds(&[
        (200, backup(1, 40)),
        (300, Act::Kill { after: 20 }),
        (300, Act::Silence { for_: 150, ends: false }),
        (310, Act::Unfinish { cluster: 0, for_: 100 }),
        (310, Act::Relist { back: 80 }),
    ]);
}

#[test]
fn an_account_is_shut_by_retry_after_for_longer_than_a_blind_watch_may_say_nothing() {
    let trouble = CloudTrouble::Throttle(Some(500));
    holds(&[(100, Act::Cloud { level: Level::Account(0), trouble, for_: 450 })]);
}

#[test]
fn a_status_whose_reply_was_lost_is_not_in_the_copy_from_which_the_next_transition_is_told() {
    holds(&[
        (100, backup(1, 40)),
        (135, Act::ApiLoses { verb: Verb::Put, for_: 60 }),
        (135, Act::Silence { for_: 100, ends: false }),
        (185, Act::Unfinish { cluster: 0, for_: 60 }),
    ]);
}

#[test]
fn polls_recover_while_the_copy_is_from_before_a_status_whose_reply_was_lost() {
    let garbage = Act::Cloud { level: Level::Cluster(0), trouble: CloudTrouble::Garbage, for_: 110 };
    holds(&[
        (286, Act::Silence { for_: 290, ends: true }),
        (317, garbage),
        (338, Act::ApiSlow { verb: Some(Verb::Put), seconds: 11, for_: 163 }),
    ]);
}

#[test]
fn polls_recover_before_the_reply_to_the_status_that_says_they_fail_is_given_up() {
    // The write that says so comes at a moment that the jitter decides.
    for seed in 110..130 {
        let mut script = script(&[
            (280, Act::Silence { for_: 260, ends: false }),
            (300, Act::Cloud { level: Level::Cluster(0), trouble: CloudTrouble::Garbage, for_: 85 }),
            (380, Act::ApiLoses { verb: Verb::Put, for_: 12 }),
        ]);
        script.seed = seed;
        script.watches.truncate(1);
        script_holds(&script);
    }
}

#[test]
fn the_failed_backup_of_an_upgrade_is_pushed_out_of_the_status_by_a_later_one() {
    let failed =
        Act::Backup { cluster: 0, steps: 4, step: 5, end: End::In("Failed"), rollback: false, pauses: false };
    let mut script = script(&[
        (
            242,
            Act::Upgrade {
                cluster: 0,
                step: 30,
                snapshot: Snapshot::Listed(true, false),
                end: UpgradeEnd::Never,
            },
        ),
        (252, Act::NoSecret { secret: 0, for_: 315 }),
        (435, failed),
    ]);
    script.calm = Duration::from_secs(499);
    script.watches.iter_mut().for_each(|watch| (watch.limit, watch.upgrades, watch.secret) = (1, true, 0));
    script_holds(&script);
}

#[test]
fn a_request_is_seen_in_the_very_moment_in_which_a_poll_is_sent() {
    let backup =
        Act::Backup { cluster: 0, steps: 3, step: 22, end: End::Never, rollback: true, pauses: true };
    // What happened during the freeze is seen at its end, at once.
    let mut script = script(&[]);
    script.accounts = vec![1];
    script.acts =
        [(230_254, backup), (435_097, Act::Freeze { for_: 10 }), (441_123, Act::Request { watch: 0 })]
            .map(|(at, act)| (Duration::from_millis(at), act))
            .to_vec();
    (script.seed, script.calm, script.end) = (2_231_835, Duration::from_secs(716), Duration::from_secs(1616));
    script.secrets.truncate(1);
    script.watches.truncate(1);
    let watch = &mut script.watches[0];
    (watch.interval, watch.active, watch.max_age) = (15_674, 10, Some(300));
    (watch.stuck_after, watch.upgrades) = (120, true);
    script_holds(&script);
}

#[test]
fn a_retry_after_that_ends_before_the_wait_of_an_account_without_answers_holds_for_every_person() {
    let hangs = Act::Cloud { level: Level::Endpoint(0), trouble: CloudTrouble::Hang, for_: 300 };
    let throttled =
        Act::Cloud { level: Level::Account(0), trouble: CloudTrouble::Throttle(Some(15)), for_: 120 };
    let mut acts = vec![(100, hangs), (401, throttled)];
    acts.extend((402..440).step_by(3).map(|at| (at, Act::Request { watch: 0 })));
    holds(&acts);
}

#[test]
fn a_status_is_restored_once_more_before_the_reply_to_its_correction_has_come() {
    for offset in (0..400).step_by(5) {
        let mut script = script(&[]);
        script.watches.truncate(1);
        script.watches[0].interval = 84_863;
        let restore = Act::Restore { watch: 0, back: 24 };
        script.acts = [124_000, 124_000 + offset].map(|at| (Duration::from_millis(at), restore)).to_vec();
        script_holds(&script);
    }
}

#[test]
fn events_are_refused_while_the_status_that_they_belong_to_meets_another_s_write() {
    for seed in 1..20 {
        let upgrade = Act::Upgrade {
            cluster: 0,
            step: 30,
            snapshot: Snapshot::Listed(true, true),
            end: UpgradeEnd::Rollback,
        };
        let mut script = script(&[
            (95, upgrade),
            (100, Act::ApiCode { verb: Verb::Post, code: 401, for_: 400 }),
            (100, Act::Cloud { level: Level::Cluster(0), trouble: CloudTrouble::Garbage, for_: 200 }),
            (290, Act::ApiCode { verb: Verb::Put, code: 409, for_: 200 }),
        ]);
        script.seed = seed;
        script.watches.iter_mut().for_each(|watch| watch.upgrades = true);
        script_holds(&script);
    }
}
