//! The script of a history: the watches, and everything that users, the cloud, the API server and machines do. A pure
//! function of a seed. A script can be run without some of its acts, which is how a finding is shrunk.

use std::time::Duration;

use fastrand::Rng;

/// One watch.
#[derive(Clone, Debug)]
pub struct WatchPlan {
    /// The cluster that it names.
    pub cluster: usize,
    /// The Secret that it names; the watch lives in the namespace of the Secret.
    pub secret: usize,
    /// `interval` in seconds.
    pub interval: u64,
    /// `activeInterval` in seconds.
    pub active: u64,
    /// `maxAge` in seconds.
    pub max_age: Option<u64>,
    /// `stuckAfter` in seconds.
    pub stuck_after: u64,
    /// `historyLimit`
    pub limit: i32,
}

impl WatchPlan {
    /// Whether it is polled again soon after the trouble has ended. One with a long interval need not have been polled by the
    /// end, and may hear of news at any time.
    pub fn is_polled_soon(&self) -> bool {
        self.interval <= 300
    }
}

/// A request of the operator to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads a resource.
    Get,
    /// Writes a status.
    Put,
    /// Creates an Event.
    Post,
    /// Reads a Secret.
    Secret,
}

/// What goes wrong in the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudTrouble {
    /// Requests get no answer, and time out.
    Hang,
    /// Connections are refused.
    Refuse,
    /// 429, with Retry-After in seconds or without.
    Throttle(Option<u64>),
    /// An HTTP status.
    Status(u16),
    /// An HTTP status with Retry-After, in milliseconds.
    StatusAfter(u16, u64),
    /// The one cluster is busy: a 429 that says so.
    Busy,
    /// Good answers come after so many seconds.
    Slow(u64),
    /// A 200 that is no list of tasks.
    Garbage,
}

/// What a trouble of the cloud affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All accounts of a region.
    Endpoint(usize),
    /// All clusters of an account.
    Account(usize),
    /// One cluster.
    Cluster(usize),
    /// One key in one account: what an account does to a stranger.
    Key(usize, usize),
}

/// How a backup ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this phase.
    In(&'static str),
    /// Never.
    Never,
}

/// Something that happens. Times are in seconds: `for_` is how long it lasts, `after` and `late` are waits, and `back`
/// is how old something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the variant says what its fields are
pub enum Act {
    /// A backup begins, takes steps of so many seconds, and ends.
    Backup { cluster: usize, steps: u8, step: u64, end: End, rollback: bool, pauses: bool },
    /// The list is empty for a while.
    Empty { cluster: usize, for_: u64 },
    /// The oldest task is no longer listed, unless it is unfinished or the verdict depends on it.
    Drop { cluster: usize },
    /// The newest finished task becomes unfinished again for a while.
    Unfinish { cluster: usize, for_: u64 },
    /// The cloud fails.
    Cloud { level: Level, trouble: CloudTrouble, for_: u64 },
    /// A key is replaced in the cloud, and in the Secret `late` seconds afterwards.
    Rotate { secret: usize, late: u64 },
    /// A Secret does not exist for a while.
    NoSecret { secret: usize, for_: u64 },
    /// A user deletes a watch and creates it anew.
    Recreate { watch: usize, after: u64 },
    /// A user changes the interval.
    Edit { watch: usize, interval: u64 },
    /// A user suspends a watch for a while.
    Suspend { watch: usize, for_: u64 },
    /// A user asks for a poll.
    Request { watch: usize },
    /// Somebody restores the status of some time ago, with a Stalled condition in it.
    Restore { watch: usize, back: u64 },
    /// The resource cannot be decoded for a while.
    Undecodable { watch: usize, for_: u64 },
    /// The API server is away.
    ApiDown { for_: u64 },
    /// The API server answers one verb with a code.
    ApiCode { verb: Verb, code: u16, for_: u64 },
    /// Replies to one verb are lost: the request is carried out, and the operator times out.
    ApiLoses { verb: Verb, for_: u64 },
    /// The API server is slow: so many seconds for each request, or for those of one verb.
    ApiSlow { verb: Option<Verb>, seconds: u64, for_: u64 },
    /// The watch stream is silent; afterwards it goes on, or it ends and the operator lists anew.
    Silence { for_: u64, ends: bool },
    /// The watch stream ends with 410, and the list that follows returns the state of so many seconds ago.
    Relist { back: u64 },
    /// The process is killed, and started again.
    Kill { after: u64 },
    /// The process is frozen: it neither runs nor ends.
    Freeze { for_: u64 },
    /// A second process leads at the same time.
    Second { for_: u64 },
}

impl Act {
    /// Whether the act is only trouble, so that a history without it ends with the same statuses.
    pub fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::Cloud { .. }
                | Self::Rotate { .. }
                | Self::NoSecret { .. }
                | Self::Restore { .. }
                | Self::Undecodable { .. }
                | Self::ApiDown { .. }
                | Self::ApiCode { .. }
                | Self::ApiLoses { .. }
                | Self::ApiSlow { .. }
                | Self::Silence { .. }
                | Self::Relist { .. }
                | Self::Kill { .. }
                | Self::Freeze { .. }
                | Self::Second { .. }
                | Self::Empty { .. }
        )
    }
}

/// A whole history, before it is run.
#[derive(Clone, Debug)]
pub struct Script {
    /// The seed that the script was made from.
    pub seed: u64,
    /// The region of each account.
    pub accounts: Vec<usize>,
    /// The account of each cluster.
    pub clusters: Vec<usize>,
    /// The namespace and the key of each Secret, by number; Secrets may share a key.
    pub secrets: Vec<(usize, usize)>,
    /// The watches.
    pub watches: Vec<WatchPlan>,
    /// The rate limit of each account: polls a second, and the burst.
    pub rate: (f64, u32),
    /// The acts, each with the time at which it begins, in order.
    pub acts: Vec<(Duration, Act)>,
    /// The time by which all trouble has ended.
    pub calm: Duration,
    /// The end of the history, when every status must be right.
    pub end: Duration,
}

/// More than have a share of the requests in flight at once.
const REGIONS: usize = 6;

impl Script {
    /// The script of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let regions = [2, 2, REGIONS][rng.usize(..3)];
        let accounts: Vec<_> = (0..rng.usize(1..=regions)).map(|_| rng.usize(..regions)).collect();
        let clusters: Vec<_> = (0..rng.usize(1..=regions + 3)).map(|_| rng.usize(..accounts.len())).collect();
        let secrets: Vec<_> =
            (0..rng.usize(1..=3)).map(|namespace| (namespace, rng.usize(..=namespace))).collect();
        let watches =
            (0..rng.usize(1..=regions + 3)).map(|_| watch(&mut rng, clusters.len(), secrets.len())).collect();
        let rate = if rng.u8(..4) == 0 { (0.5, 2) } else { (5.0, 10) };
        let calm = Duration::from_secs(rng.u64(200..900));
        let mut script = Self {
            seed,
            accounts,
            clusters,
            secrets,
            watches,
            rate,
            acts: Vec::new(),
            calm,
            // The longest backoff is ten minutes plus a tenth of jitter, and a poll or two must fit in after it.
            end: calm + Duration::from_mins(15),
        };
        for cluster in 0..script.clusters.len() {
            for _ in 0..rng.usize(0..=2) {
                let act = backup(&mut rng, cluster);
                script.add(&mut rng, act);
            }
        }
        for _ in 0..rng.usize(1..=10) {
            let act = script.act(&mut rng);
            script.add(&mut rng, act);
        }
        script.acts.sort_by_key(|(at, _)| *at);
        // Nobody is asked before the time that it named.
        let named = script.acts.iter().filter_map(|(_, act)| match act {
            Act::Cloud { trouble: CloudTrouble::StatusAfter(_, after), .. } => {
                Some(Duration::from_millis(*after))
            }
            _ => None,
        });
        script.end += named.max().unwrap_or_default();
        script
    }

    /// The same script with only the acts for which `keep` returns true.
    #[must_use]
    pub fn only(&self, keep: impl Fn(usize, Act) -> bool) -> Self {
        let acts = self.acts.iter().enumerate().filter(|(n, (_, act))| keep(*n, *act));
        Self { acts: acts.map(|(_, act)| *act).collect(), ..self.clone() }
    }

    /// Whether the cloud takes back a result that it had listed, so that the status depends on when the cloud was
    /// polled.
    pub fn takes_back(&self) -> bool {
        self.acts.iter().any(|(_, act)| matches!(act, Act::Unfinish { .. }))
    }

    fn add(&mut self, rng: &mut Rng, act: Act) {
        let latest = u64::try_from(self.calm.as_millis()).unwrap_or(u64::MAX);
        self.acts.push((Duration::from_millis(rng.u64(..latest)), act));
    }

    fn act(&self, rng: &mut Rng) -> Act {
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

fn watch(rng: &mut Rng, clusters: usize, secrets: usize) -> WatchPlan {
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
    }
}

fn backup(rng: &mut Rng, cluster: usize) -> Act {
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
