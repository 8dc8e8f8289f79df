//! Draws acts and watches at random.

use std::time::Duration;

use fastrand::Rng;

use super::{Act, CloudTrouble, End, Level, Script, Snapshot, UpgradeEnd, Verb, WatchPlan};

impl Script {
    pub(super) fn act(&self, rng: &mut Rng) -> Act {
        let for_ = if rng.bool() { rng.u64(1..30) } else { rng.u64(30..400) };
        let watch = rng.usize(..self.watches.len());
        let cluster = rng.usize(..self.clusters.len());
        let secret = rng.usize(..self.secrets.len());
        let verb = [Verb::Get, Verb::Put, Verb::Post, Verb::Secret][rng.usize(..4)];
        match rng.u8(..26) {
            0..=1 => backup(rng, cluster),
            2 => Act::Empty { cluster, for_ },
            3 => Act::Drop { cluster },
            4 if rng.u8(..4) == 0 => Act::Unfinish { cluster, for_ },
            4..=8 => Act::Cloud { level: self.level(rng), trouble: cloud_trouble(rng), for_ },
            9 => Act::Rotate { secret, late: rng.u64(..200) },
            10 => Act::NoSecret { secret, for_ },
            11 => Act::Recreate { watch, after: rng.u64(..60) },
            12 => Act::Edit { watch, interval: rng.u64(10..120) },
            13 => Act::Suspend { watch, for_ },
            14..=15 => Act::Request { watch },
            16 => Act::Restore { watch, back: rng.u64(..200) },
            17 => Act::Undecodable { watch, for_ },
            18 => Act::ApiDown { for_ },
            19 => {
                let codes = [401, 403, 409, 422, 429, 500, 504];
                Act::ApiCode { verb, code: codes[rng.usize(..codes.len())], for_ }
            }
            20 if rng.bool() => Act::ApiLoses { verb, for_ },
            20 => Act::ApiSlow { verb: rng.bool().then_some(verb), seconds: rng.u64(1..12), for_ },
            21 => Act::Silence { for_, ends: rng.bool() },
            22 => Act::Relist { back: rng.u64(..120) },
            23 => Act::Kill { after: rng.u64(..30) },
            24 => Act::Freeze { for_ },
            _ => Act::Second { for_ },
        }
    }

    fn level(&self, rng: &mut Rng) -> Level {
        match rng.u8(..4) {
            0 => Level::Endpoint(self.accounts[rng.usize(..self.accounts.len())]),
            1 => Level::Account(rng.usize(..self.accounts.len())),
            2 => Level::Key(rng.usize(..self.accounts.len()), rng.usize(..self.secrets.len())),
            _ => Level::Cluster(rng.usize(..self.clusters.len())),
        }
    }
}

pub(super) fn watch(rng: &mut Rng, clusters: usize, secrets: usize) -> WatchPlan {
    // Any interval may stand beside any other.
    let interval = match rng.u8(..8) {
        0 => rng.u64(90..86_400),
        1 => rng.u64(2..10),
        _ => rng.u64(10..90),
    };
    WatchPlan {
        cluster: rng.usize(..clusters),
        secret: rng.usize(..secrets),
        interval,
        active: rng.u64(2..=10).min(interval),
        max_age: [None, Some(300), Some(86_400)][rng.usize(..3)],
        stuck_after: [120, 7200][rng.usize(..2)],
        limit: [10, 10, 10, 1, 2][rng.usize(..5)],
        upgrades: false,
    }
}

pub(super) fn backup(rng: &mut Rng, cluster: usize) -> Act {
    let end = match rng.u8(..8) {
        0..=4 => End::In("Success"),
        5..=6 => End::In("Failed"),
        _ => End::Never,
    };
    Act::Backup {
        cluster,
        steps: rng.u8(1..8),
        step: rng.u64(1..40),
        end,
        rollback: rng.u8(..10) == 0,
        pauses: rng.u8(..5) == 0,
    }
}

fn cloud_trouble(rng: &mut Rng) -> CloudTrouble {
    let status = [401, 403, 404, 400, 408, 429, 500, 502, 503][rng.usize(..9)];
    match rng.u8(..11) {
        0..=1 => CloudTrouble::Hang,
        2 => CloudTrouble::Refuse,
        3 => CloudTrouble::Throttle(rng.bool().then(|| rng.u64(1..60))),
        4 => CloudTrouble::Garbage,
        5 => CloudTrouble::Busy,
        6..=7 => CloudTrouble::Slow(rng.u64(1..15)),
        8 => CloudTrouble::StatusAfter(
            status,
            if rng.bool() { rng.u64(..3_600_000) } else { rng.u64(..90_000) },
        ),
        _ => CloudTrouble::Status(status),
    }
}

/// Upgrades for half of all scripts. They are drawn from a randomness of their own, so that what else happens with a seed does
/// not depend on them.
pub(super) fn upgrades(script: &mut Script) {
    let mut rng = Rng::with_seed(script.seed ^ 0x75_7067_7261_6465);
    if rng.bool() {
        return;
    }
    for watch in &mut script.watches {
        watch.upgrades = rng.u8(..4) > 0;
    }
    for cluster in 0..script.clusters.len() {
        for _ in 0..rng.usize(0..=2) {
            let act = upgrade(&mut rng, cluster);
            script.add(&mut rng, act);
        }
        if rng.u8(..3) == 0 {
            let trouble = cloud_trouble(&mut rng);
            // Beyond the calm no trouble lasts, and a Retry-After of the list does.
            let trouble = match trouble {
                CloudTrouble::StatusAfter(status, _) => CloudTrouble::Status(status),
                trouble => trouble,
            };
            let act = Act::Upgrades { cluster, trouble, for_: rng.u64(1..400) };
            script.add(&mut rng, act);
        }
    }
}

/// Many Secrets, each with a watch, for a few scripts: more than may be read at once.
pub(super) fn crowd(script: &mut Script) {
    let mut rng = Rng::with_seed(script.seed ^ 0x0063_726f_7764);
    if rng.u8(..32) > 0 {
        return;
    }
    let keys = script.secrets.len();
    for secret in keys..keys + rng.usize(10..30) {
        script.secrets.push((secret, rng.usize(..keys)));
        let cluster = rng.usize(..script.clusters.len());
        script.watches.push(WatchPlan { cluster, secret, ..watch(&mut rng, 1, 1) });
    }
}

/// Whoever restores a status does it twice within a minute, for half of all of them.
pub(super) fn restored_again(script: &mut Script) {
    let mut rng = Rng::with_seed(script.seed ^ 0x0074_7769_6365);
    for (at, act) in script.acts.clone() {
        if matches!(act, Act::Restore { .. }) && rng.bool() {
            let at = at + Duration::from_millis(rng.u64(500..60_000));
            script.acts.extend((at < script.calm).then_some((at, act)));
        }
    }
}

fn upgrade(rng: &mut Rng, cluster: usize) -> Act {
    let snapshot = match rng.u8(..6) {
        0..=1 => Snapshot::None,
        2 => Snapshot::Unlisted(rng.bool()),
        _ => Snapshot::Listed(rng.u8(..4) > 0, rng.u8(..4) > 0),
    };
    let end = match rng.u8(..8) {
        0..=1 => UpgradeEnd::Success,
        2 => UpgradeEnd::Retry,
        3..=4 => UpgradeEnd::Rollback,
        5 => UpgradeEnd::Fails,
        6 => UpgradeEnd::Cancel(rng.bool()),
        _ => UpgradeEnd::Never,
    };
    Act::Upgrade { cluster, step: rng.u64(1..60), snapshot, end }
}
