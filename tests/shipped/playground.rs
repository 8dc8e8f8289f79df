//! What `make run` promises: watches in every odd state, the worst first in `kubectl cbw status`, and an operator that is started
//! again when a source changes.
//!
//!     hack/playground/run.sh -- cargo test --test shipped playground:

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use cbw_testkit::{
    cluster::Cluster,
    program::{self, ROOT, Ran},
    trial::{Test, skip},
    wait::{LIMIT, until},
};
use cce_backup_watch::api::{
    ClusterBackupWatch,
    condition::{
        find,
        types::{BACKUP_HEALTHY, READY, UPGRADE_PROTECTED},
    },
};
use kube::{Api, runtime::wait::await_condition};

/// How long the operator may take to compile, on a machine that does other things as well.
const BUILD: Duration = Duration::from_mins(10);

/// The watches, and what each comes to: a condition and its reason.
const WATCHES: [(&str, &str, &str); 16] = [
    ("prod", BACKUP_HEALTHY, "BackupSucceeded"),
    ("staging", BACKUP_HEALTHY, "BackupFailed"),
    ("busy", BACKUP_HEALTHY, "BackupSucceeded"),
    ("cluster-00000004", BACKUP_HEALTHY, "BackupStuck"),
    ("archive", BACKUP_HEALTHY, "BackupStale"),
    ("new", BACKUP_HEALTHY, "NoBackup"),
    ("forgotten", BACKUP_HEALTHY, "NoBackup"),
    ("paused", READY, "Suspended"),
    ("upgrading", UPGRADE_PROTECTED, "UpgradeUnprotected"),
    ("gone", READY, "ClusterNotFound"),
    ("wrong-key", READY, "AuthenticationFailed"),
    ("no-secret", READY, "SecretNotFound"),
    ("half-secret", READY, "SecretInvalid"),
    ("no-identity", READY, "CredentialsNotAllowed"),
    // A fault that may pass is told a minute after the first poll without an answer, and half a minute of grace.
    ("flaky", READY, "CloudUnavailable"),
    ("mistyped", READY, "CloudUnavailable"),
];

/// The cases of this part.
pub fn tests() -> Vec<Test> {
    let watches = WATCHES.map(|(watch, type_, reason)| {
        let name = format!("the watch {watch} comes to {reason}");
        Test::without_scene(name, async move || comes_to(watch, type_, reason).await)
    });
    let rest = [
        Test::without_scene(
            "kubectl cbw status has the worst first, and ends with 1".to_owned(),
            has_the_worst_first,
        ),
        Test::without_scene("kubectl cbw poll is answered".to_owned(), async || {
            cbw(&["poll", "prod"]).ended(0, "");
        }),
        Test::without_scene(
            "a changed source starts the operator again, which leads".to_owned(),
            starts_again,
        ),
    ];
    watches.into_iter().chain(rest).collect()
}

/// The folder of the playground that this runs in.
fn playground() -> PathBuf {
    env::var_os("PLAYGROUND")
        .map_or_else(|| skip("this is no playground, which `make test-playground` is"), PathBuf::from)
}

/// Runs the plugin of kubectl.
fn cbw(arguments: &[&str]) -> Ran {
    playground();
    program::run(Command::new("kubectl").arg("cbw").args(arguments))
}

async fn comes_to(watch: &str, type_: &str, reason: &str) {
    playground();
    let watches: Api<ClusterBackupWatch> = Api::namespaced(Cluster::shared().client().await, "playground");
    let has_come = |watch: Option<&ClusterBackupWatch>| {
        let status = watch.and_then(|watch| watch.status.as_ref());
        status
            .and_then(|status| find(&status.conditions, type_))
            .is_some_and(|condition| condition.reason == reason)
    };
    let comes = await_condition(watches.clone(), watch, has_come);
    let has_come = tokio::time::timeout(LIMIT, comes).await.is_ok();
    assert!(has_come, "not {reason} within {LIMIT:?}: {:#?}", watches.get(watch).await.unwrap().status);
}

async fn has_the_worst_first() {
    for (watch, type_, reason) in WATCHES {
        comes_to(watch, type_, reason).await;
    }
    let screen = cbw(&["status"]);
    screen.ended(1, "operator: alive: ");
    // The first word of each row after the watch and the display name, which all have no spaces here.
    let rows = screen.stdout.lines().filter(|line| line.starts_with("playground/"));
    let mut verdicts: Vec<_> = rows.filter_map(|row| row.split_whitespace().nth(2)).collect();
    verdicts.dedup();
    // While a backup of "busy" runs its row says so, and between two of them that it is good.
    let verdicts = verdicts.join(" ").replace("suspended running good", "suspended good");
    assert_eq!(verdicts, "blind bad unprotected stale unknown suspended good", "{screen:#?}");
}

async fn starts_again() {
    let pid = playground().join("operator.pid");
    let read = || fs::read_to_string(&pid).unwrap();
    let before = read();
    let source = File::options().append(true).open(Path::new(ROOT).join("src/main.rs")).unwrap();
    source.set_modified(SystemTime::now()).unwrap();
    until("another operator runs", BUILD, async || {
        let now = read();
        (now != before && Path::new("/proc").join(now.trim()).exists()).then_some(())
    })
    .await;
    cbw(&["poll", "prod", "--timeout", "2m"]).ended(0, "");
}
