//! `cce-backup-watch backup` as a user runs it: the real command against the simulator over TLS. Every test counts the
//! requests for a backup.

mod follow;
mod if_older_than;
mod lost;
mod refused;

use crate::command::*;
use cce_simulator::scenario::Step;

impl Cloud {
    /// It knows the cluster, which lists these tasks.
    async fn with_tasks(tasks: impl IntoIterator<Item = Task>) -> Self {
        let cloud = Self::start().await;
        cloud.simulator.set_tasks(CLUSTER, tasks);
        cloud
    }

    /// `backup` with these flags, looking once a second.
    fn backup(&self, flags: &[&str]) -> Command {
        self.backup_within("30s", flags)
    }

    /// The same with another time-out.
    fn backup_within(&self, timeout: &str, flags: &[&str]) -> Command {
        let mut command = on_cluster("backup", self.tls.url(), &["--interval", "1s", "--timeout", timeout]);
        command.args(["--ca-file", self.tls.ca_file()]).args(flags);
        command
    }

    /// Backups that are started run until they end in `phase`, that many seconds after their start.
    fn ends(&self, seconds: i64, phase: &str) {
        let step = |after, phase: &str, progress| Step {
            after: SignedDuration::from_secs(after),
            phase: phase.to_owned(),
            progress: Some(progress),
            items: None,
        };
        self.simulator.set_backup_steps(CLUSTER, vec![step(0, "Running", 0), step(seconds, phase, 100)]);
    }

    /// The requests for a backup so far.
    fn posts(&self) -> u64 {
        self.simulator.start_requests(CLUSTER)
    }
}

/// Longer than any test waits.
const NEVER: i64 = 3_600;
