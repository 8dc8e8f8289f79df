//! What can happen in a history, and what it is called.

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

/// The backup that an upgrade takes before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// None: the workflow has no such step.
    None,
    /// The step says whether it succeeded; its task is not listed.
    Unlisted(bool),
    /// The step says the one, and its task the other.
    Listed(bool, bool),
}

/// How an upgrade ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeEnd {
    /// With success.
    Success,
    /// The step Cluster fails, is tried again, and succeeds.
    Retry,
    /// The step Cluster fails, the cluster is put back, and the workflow is called off.
    Rollback,
    /// The step Cluster fails, and nobody cares.
    Fails,
    /// It is called off before the step Cluster, or while it runs.
    Cancel(bool),
    /// It never ends.
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
    /// The cluster is upgraded: the workflow takes a step every so many seconds. One begins where none is under way.
    Upgrade { cluster: usize, step: u64, snapshot: Snapshot, end: UpgradeEnd },
    /// The list of upgrades fails, and nothing else does.
    Upgrades { cluster: usize, trouble: CloudTrouble, for_: u64 },
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
                | Self::Upgrades { .. }
        )
    }
}
