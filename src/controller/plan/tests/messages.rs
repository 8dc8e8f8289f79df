//! What the conditions say, word for word. Each message names the cause and, where a person can do something, the next
//! step; none has an age or a count, because a message that changes is a write, and repeats an Event.

use super::*;
use crate::api::{Credentials, SecretRef};
use FaultKind::{CloudUnavailable, SecretNotFound};

/// The situation, how it came about, the condition, and its message.
type Row = (&'static str, fn(&mut Watch), &'static str, &'static str);

fn max_age(w: &mut Watch) {
    w.spec.max_age = Some(hours(26).into());
}

fn secret(w: &mut Watch) {
    let secret_ref = SecretRef { name: "huawei".into() };
    w.spec.credentials = Some(Credentials { secret_ref });
}

/// A task whose end has parts of a second.
fn precise(uid: &str) -> Task {
    let end = "2026-01-01T00:07:47.980844Z".parse().unwrap();
    Task { completion_time: Some(end), ..task(uid, "Success", 5) }
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("no poll yet", |w| { w.spec.suspend = true; w.nothing(); w.spec.suspend = false; w.nothing(); }, "Ready",
     "resumed; the first poll is still to be answered"),
    ("the first poll fails", |w| w.faults(CloudUnavailable, 1), "Ready",
     "no poll is answered yet, and the next one follows: the cloud said CloudUnavailable"),
    ("the first poll fails, and nothing is new", |w| { w.fault(CloudUnavailable); w.nothing(); }, "Ready",
     "no poll is answered yet, and the next one follows: the cloud said CloudUnavailable"),
    ("the first two polls fail, each for its own reason", |w| { w.fault(CloudUnavailable); w.fault(FaultKind::Throttled); }, "Reconciling",
     "no poll is answered yet, and the next one follows: the cloud said Throttled"),
    ("the first poll after a suspension fails", |w| { w.spec.suspend = true; w.nothing(); w.spec.suspend = false; w.fault(CloudUnavailable); }, "Ready",
     "no poll is answered yet, and the next one follows: the cloud said CloudUnavailable"),
    ("suspended", |w| { w.spec.suspend = true; w.nothing(); }, "Ready",
     "polling is suspended; set spec.suspend to false to resume"),
    ("the Secret is at fault", |w| { secret(w); w.fault(SecretNotFound); }, "Ready",
     "the cloud said SecretNotFound; the Secret is read again within 5 minutes, at once when cce.backupwatch.io/requestedAt asks for it"),
    ("the key of a Secret is refused", |w| { secret(w); w.fault(FaultKind::AuthenticationFailed); }, "Stalled",
     "the cloud said AuthenticationFailed; the Secret is read again within 5 minutes, at once when cce.backupwatch.io/requestedAt asks for it"),
    ("the operator's own key is refused", |w| w.faults(FaultKind::AuthenticationFailed, 1), "Ready",
     "the cloud said AuthenticationFailed"),
    ("the Secret is not at fault", |w| { secret(w); w.fault(FaultKind::ClusterNotFound); }, "Ready",
     "the cloud said ClusterNotFound"),
    ("blind", |w| w.faults(SecretNotFound, 1), "BackupHealthy",
     "nothing new is known of the backup while polls fail (SecretNotFound): the condition Ready says what to do"),
    ("failed", |w| { w.at(10).answer(&[failed("f", 5)]); }, "BackupHealthy",
     "backup f failed: master-backup: etcd is down"),
    ("failed without a word", |w| { w.at(10).answer(&[task("f", "Failed", 5)]); }, "BackupHealthy",
     "backup f failed: the API does not say why; look at the cluster in the CCE console"),
    ("failed, and a success of the future", |w| { w.at(10).answer(&[failed("f", 5), task("s", "Success", 16)]); }, "BackupHealthy",
     "backup f failed: master-backup: etcd is down; backup s ended 2026-01-01T00:18:00Z, in the future: check clocks, the cloud's and the operator's"),
    ("stuck", |w| { w.answer(&[running("r", 0, 5)]); w.at(120).again(); }, "BackupHealthy",
     "stuckAfter is 2h, and backup r has been Running without progress since 2026-01-01T00:00:00Z"),
    ("stale", |w| { max_age(w); w.at(9999).answer(&[precise("s")]); }, "BackupHealthy",
     "maxAge is 26h, and the newest success, s, is of 2026-01-01T00:07:47Z"),
    ("stale without a time", |w| { max_age(w); w.at(9999).answer(&[timeless(task("s", "Success", 5))]); }, "BackupHealthy",
     "maxAge is 26h, and the newest success, s, has no readable time"),
    ("stale, for it is of the future", |w| { max_age(w); w.at(10).answer(&[task("s", "Success", 16)]); }, "BackupHealthy",
     "maxAge is 26h, and backup s ended 2026-01-01T00:18:00Z, in the future: check clocks, the cloud's and the operator's"),
    ("good", |w| { w.at(10).answer(&[task("s", "Success", 5)]); }, "BackupHealthy",
     "backup s succeeded"),
    ("running", |w| { w.answer(&[running("r", 0, 5)]); }, "BackupHealthy",
     "backup r is not finished, and none before it is on record"),
    ("none", |w| { w.answer(&[]); }, "BackupHealthy",
     "the API lists no backup of this cluster: start one, in the CCE console or with the command backup"),
    ("none for long", |w| { max_age(w); w.at(9999).answer(&[]); }, "BackupHealthy",
     "the API lists no backup of this cluster, and maxAge, 26h, has passed since this resource was created: start one, in the CCE console or with the command backup"),
];

#[test]
fn every_message_names_the_cause_and_the_next_step() {
    for (situation, happen, type_, message) in TABLE {
        let mut watch = Watch::new();
        happen(&mut watch);
        let said =
            condition::find(&watch.status.conditions, type_).map(|condition| condition.message.as_str());
        assert_eq!(said, Some(*message), "{situation}");
    }
}

#[test]
fn no_message_changes_because_time_passes() {
    for (situation, happen, ..) in TABLE {
        let mut watch = Watch::new();
        happen(&mut watch);
        if watch.answered.is_empty() || watch.says("BackupHealthy").is_empty() {
            continue;
        }
        let before = watch.status.clone();
        watch.wait(Duration::from_secs(7));
        let plan = watch.again();
        assert_eq!((plan.status, watch.status), (None, before), "{situation}");
    }
}
