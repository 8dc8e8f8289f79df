//! The churn of a soak. Each cycle replaces and edits watches, rotates keys, strikes clusters with faults and runs
//! backups within half a minute, and ends when every watch is well again.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use cce_simulator::{Credential, Fault, FaultKind, Task};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::crowd::{self, Crowd, condition};
use crate::{
    Result,
    api_server::ApiServer,
    cloud::Cloud,
    made_up::REGION,
    watches::{AT_A_TIME, cluster},
};

/// The accounts; each has a Secret of its own.
const ACCOUNTS: usize = 10;
/// The finished backups of a cluster: as many as a status keeps, so that a new one takes no more memory.
const FINISHED: usize = 5;
/// How many clusters each kind of fault strikes in a cycle.
const STRUCK: usize = 3;
/// Which part of the watches is replaced, edited, and has a backup in a cycle.
const PART: usize = 10;
/// How many Secrets are rotated in a cycle.
const ROTATED: usize = 2;
/// How long one step of a cycle may take, far above what it needs.
const LIMIT: Duration = Duration::from_mins(4);

/// The watches of a soak, and how often each thing was done.
pub struct Churn<'a> {
    cloud: &'a Cloud,
    api_server: &'a ApiServer,
    crowd: &'a Crowd,
    /// The number of the watch at each place; a place keeps its account.
    places: Vec<usize>,
    /// The number of the next watch.
    next: usize,
    cycle: usize,
    strength: usize,
    /// How often the key of each account was rotated.
    rotations: [usize; ACCOUNTS],
}

/// How long the steps of a cycle took, from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Until every watch of a struck cluster showed the fault.
    pub shown: Duration,
    /// Until every watch was well again.
    pub well: Duration,
}

impl<'a> Churn<'a> {
    /// The churn of so many watches, none of which exists yet.
    pub fn new(cloud: &'a Cloud, api_server: &'a ApiServer, crowd: &'a Crowd, watches: usize) -> Self {
        Self {
            cloud,
            api_server,
            crowd,
            places: (0..watches).collect(),
            next: watches,
            cycle: 0,
            strength: 1,
            rotations: [0; ACCOUNTS],
        }
    }

    /// Creates the Secrets and the watches.
    pub async fn create(&self) -> Result<()> {
        for account in 0..ACCOUNTS {
            self.set_key(account).await?;
        }
        self.at_a_time(0..self.places.len(), async |place| self.create_watch(place).await).await
    }

    /// Waits until every watch is well.
    pub async fn all_are_well(&self) -> Result<()> {
        let is_well = |watch: &DynamicObject| {
            condition(watch, "Ready") == "True"
                && matches!(crowd::phase(watch), Some("Success" | "Failed"))
                && crowd::is_observed(watch)
        };
        self.crowd.until("every watch is well", LIMIT, self.places.len(), is_well).await
    }

    /// Runs one cycle on `strength` times the usual number of watches, and returns when every watch is well again.
    pub async fn cycle(&mut self, strength: usize) -> Result<Pace> {
        self.cycle += 1;
        self.strength = strength;
        let begun = Instant::now();
        self.replace().await?;
        self.edit().await?;
        self.rotate().await?;
        let struck = self.strike()?;
        self.start_backups();
        self.show_trouble(&struck).await?;
        let shown = begun.elapsed();
        self.end_backups();
        for place in &struck {
            self.cloud.simulator.clear_fault(&self.cluster(*place));
        }
        // A request for a poll, as a person makes it after mending something, so that no backoff has to be waited for.
        self.ask("mended", struck.iter().copied()).await?;
        self.all_are_well().await?;
        Ok(Pace { shown, well: begun.elapsed() })
    }

    /// The places of a part of the watches; each cycle takes another part.
    fn part(&self, offset: usize) -> impl Iterator<Item = usize> + use<> {
        let (count, cycle) = (self.places.len(), self.cycle);
        let size = count / PART;
        (0..size * self.strength).map(move |n| ((cycle + offset) * size + n) % count)
    }

    async fn replace(&mut self) -> Result<()> {
        let replaced: Vec<_> = self.part(0).collect();
        self.at_a_time(replaced.iter().copied(), async |place| {
            self.crowd.api.delete(&self.name(place), &DeleteParams::default()).await?;
            self.cloud.simulator.clear_tasks(&self.cluster(place));
            Ok(())
        })
        .await?;
        for place in &replaced {
            self.places[*place] = self.next;
            self.next += 1;
        }
        self.at_a_time(replaced.into_iter(), async |place| self.create_watch(place).await).await
    }

    async fn edit(&self) -> Result<()> {
        let (interval, limit) = (format!("{}s", 10 + self.cycle % 2), format!("{}h", 26 + self.cycle % 5));
        let edit = json!({ "spec": { "interval": interval, "maxAge": limit } });
        self.at_a_time(self.part(3), async |place| self.patch(place, &edit).await).await
    }

    /// Gives some accounts another key and ends the old one before the operator can read the new one, which is the
    /// worst order.
    async fn rotate(&mut self) -> Result<()> {
        for n in 0..ROTATED {
            let account = (self.cycle * ROTATED + n) % ACCOUNTS;
            let old = access_key(account, self.rotations[account]);
            self.rotations[account] += 1;
            self.set_key(account).await?;
            self.cloud.simulator.remove_credential(&old);
            self.ask("rotated", (account..self.places.len()).step_by(ACCOUNTS)).await?;
        }
        Ok(())
    }

    async fn set_key(&self, account: usize) -> Result<()> {
        let (key, secret) = (access_key(account, self.rotations[account]), "soak-secret-key");
        self.cloud.simulator.add_credential(Credential::new(&key, secret));
        self.api_server.set_secret(&secret_name(account), &key, secret).await
    }

    /// Strikes some clusters with each kind of fault, and returns their places.
    fn strike(&self) -> Result<BTreeSet<usize>> {
        let mut struck = BTreeSet::new();
        for (number, fault) in faults().into_iter().enumerate() {
            let times = STRUCK * self.strength;
            for n in 0..times {
                // The step shares no factor with the number of accounts, nor with 500 watches, so that the faults are
                // spread over them.
                let place = (self.cycle * 7 + (number * times + n) * 11) % self.places.len();
                self.cloud.simulator.set_fault(&self.cluster(place), fault.clone())?;
                struck.insert(place);
            }
        }
        Ok(struck)
    }

    /// Waits until each watch of a struck cluster shows that it cannot be polled.
    async fn show_trouble(&self, struck: &BTreeSet<usize>) -> Result<()> {
        let names: BTreeSet<_> = struck.iter().map(|place| self.name(*place)).collect();
        let shown = |watch: &DynamicObject| {
            !names.contains(&watch.name_any()) || condition(watch, "Ready") == "False"
        };
        self.crowd.until("every fault is shown", LIMIT, self.places.len(), shown).await
    }

    fn start_backups(&self) {
        self.part(5).for_each(|place| self.set_backup(place, "Running", 10));
    }

    /// Ends the backups of the cycle: two of three succeed.
    fn end_backups(&self) {
        for place in self.part(5) {
            let phase = if place % 3 == 0 { "Failed" } else { "Success" };
            self.set_backup(place, phase, 100);
        }
    }

    fn set_backup(&self, place: usize, phase: &str, progress: u8) {
        let cluster = self.cluster(place);
        let task = Task::new(format!("{cluster}-cycle-{}", self.cycle), phase).progress(progress);
        self.cloud.set_backup(&cluster, 0, FINISHED - 1, task);
    }

    /// Asks for a poll now. The reason becomes part of the annotation, so that two requests of a cycle differ.
    async fn ask(&self, reason: &str, places: impl Iterator<Item = usize>) -> Result<()> {
        let asked = format!("cycle {}, {reason}", self.cycle);
        let request = json!({ "metadata": { "annotations": { "cce.backupwatch.io/requestedAt": asked } } });
        self.at_a_time(places, async |place| self.patch(place, &request).await).await
    }

    async fn create_watch(&self, place: usize) -> Result<()> {
        let account = place % ACCOUNTS;
        self.cloud.set_finished(&self.cluster(place), 0, FINISHED);
        let watch = DynamicObject::new(&self.name(place), &self.crowd.resource).data(json!({ "spec": {
            "region": REGION,
            "projectID": format!("{account:032x}"),
            "clusterID": self.cluster(place),
            "credentials": { "secretRef": { "name": secret_name(account) } },
            "interval": "10s",
            "activeInterval": "2s",
            "maxAge": "26h",
            "historyLimit": FINISHED,
        } }));
        self.crowd.api.create(&PostParams::default(), &watch).await?;
        Ok(())
    }

    async fn patch(&self, place: usize, patch: &Value) -> Result<()> {
        self.crowd.api.patch(&self.name(place), &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn at_a_time(
        &self,
        places: impl Iterator<Item = usize>,
        act: impl AsyncFn(usize) -> Result<()>,
    ) -> Result<()> {
        stream::iter(places.map(|place| act(place))).buffer_unordered(AT_A_TIME).try_collect::<()>().await
    }

    fn name(&self, place: usize) -> String {
        format!("watch-{}", self.places[place])
    }

    fn cluster(&self, place: usize) -> String {
        cluster(self.places[place])
    }
}

/// Every fault that a cluster may be struck by.
fn faults() -> Vec<Fault> {
    vec![
        Fault::status(500),
        Fault::status(503),
        Fault::error(429, "APIGW.0308", "slow down").header("Retry-After", "1"),
        Fault::error(403, "CCE.01403001", "forbidden"),
        Fault::error(404, "CCE.01404001", "not found"),
        Fault::error(400, "CCE.01400001", "bad request"),
        Fault::body(200, "<html>a portal</html>"),
        FaultKind::Reset {}.into(),
        FaultKind::ResetMidBody {}.into(),
        FaultKind::Hang {}.into(),
        FaultKind::Truncate {}.into(),
        FaultKind::Huge { bytes: 64 << 20 }.into(),
        FaultKind::Redirect { location: "http://127.0.0.1:1/".to_owned(), status: 302 }.into(),
        FaultKind::Garbage {}.into(),
        FaultKind::Nested { depth: 100_000 }.into(),
    ]
}

fn secret_name(account: usize) -> String {
    format!("soak-{account}")
}

fn access_key(account: usize, rotation: usize) -> String {
    format!("SOAK{account:04}{rotation:012}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_can_be_played() {
        for fault in faults() {
            assert_eq!(fault.check(), Ok(()), "{fault:?}");
        }
    }

    #[test]
    fn each_rotation_is_another_key() {
        let keys: BTreeSet<_> =
            (0..ACCOUNTS).flat_map(|account| [access_key(account, 0), access_key(account, 1)]).collect();
        assert_eq!(keys.len(), 2 * ACCOUNTS);
    }
}
