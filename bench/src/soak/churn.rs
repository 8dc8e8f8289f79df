//! The churn of a soak. Each cycle replaces and edits watches, rotates keys, strikes clusters with faults and runs
//! backups within half a minute, and ends when every watch is well again.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use cbw_testkit::scene::SECRET_KEY;
use cce_simulator::{Credential, Fault, FaultKind, Simulator, Task};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    Result,
    bench::Bench,
    crowd::{self, Crowd},
    watches::{self, at_a_time},
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

/// The watches of a soak, and how often each thing was done.
pub struct Churn<'a> {
    bench: &'a Bench,
    cloud: &'a Simulator,
    api: Api<DynamicObject>,
    crowd: Crowd,
    /// The number of the watch at each place; a place keeps its account.
    places: Vec<usize>,
    /// The number of the next watch.
    next: usize,
    cycle: usize,
    strength: usize,
    /// How often the key of each account was rotated.
    rotations: [usize; ACCOUNTS],
}

impl<'a> Churn<'a> {
    /// The churn of so many watches, none of which exists yet.
    pub fn new(bench: &'a Bench, watches: usize) -> Self {
        let (api, resource) = watches::api(&bench.scene);
        let (crowd, places) = (Crowd::new(api.clone(), resource), (0..watches).collect());
        let (cloud, rotations) = (&bench.scene.cloud, [0; ACCOUNTS]);
        Self { bench, cloud, api, crowd, places, next: watches, cycle: 0, strength: 1, rotations }
    }

    /// Creates the Secrets and the watches.
    pub async fn create(&self) -> Result<()> {
        for account in 0..ACCOUNTS {
            self.set_key(account).await;
        }
        at_a_time(0..self.places.len(), async |place| self.create_watch(place).await).await
    }

    /// Waits until every watch is well.
    pub async fn all_are_well(&self) -> Result<()> {
        self.crowd.until("every watch is well", self.places.len(), crowd::is_well).await
    }

    /// Runs one cycle on `strength` times the usual number of watches. Returns how long it took until every watch of a struck
    /// cluster showed the fault, and until every watch was well again.
    pub async fn cycle(&mut self, strength: usize) -> Result<(Duration, Duration)> {
        self.cycle += 1;
        self.strength = strength;
        let begun = Instant::now();
        self.replace().await?;
        self.edit().await?;
        self.rotate().await?;
        let struck = self.strike()?;
        self.part(5).for_each(|place| self.set_backup(place, "Running", 10));
        let names: BTreeSet<_> = struck.iter().map(|place| self.name(*place)).collect();
        let shown =
            |watch: &DynamicObject| !names.contains(&watch.name_any()) || crowd::ready(watch) == "False";
        self.crowd.until("every fault is shown", self.places.len(), shown).await?;
        let shown = begun.elapsed();
        // Two of three backups succeed.
        self.part(5).for_each(|place| {
            self.set_backup(place, if place % 3 == 0 { "Failed" } else { "Success" }, 100);
        });
        for place in &struck {
            self.cloud.clear_fault(&self.cluster(*place));
        }
        // A request for a poll, as a person makes it after mending something, so that no backoff has to be waited for.
        self.ask("mended", struck.iter().copied()).await?;
        self.all_are_well().await?;
        Ok((shown, begun.elapsed()))
    }

    /// The places of a part of the watches; each cycle takes another part.
    fn part(&self, offset: usize) -> impl Iterator<Item = usize> + use<> {
        let (count, cycle) = (self.places.len(), self.cycle);
        let size = count / PART;
        (0..size * self.strength).map(move |n| ((cycle + offset) * size + n) % count)
    }

    async fn replace(&mut self) -> Result<()> {
        let replaced: Vec<_> = self.part(0).collect();
        at_a_time(replaced.iter().copied(), async |place| {
            self.api.delete(&self.name(place), &DeleteParams::default()).await?;
            self.cloud.clear_tasks(&self.cluster(place));
            Ok(())
        })
        .await?;
        for place in &replaced {
            self.places[*place] = self.next;
            self.next += 1;
        }
        at_a_time(replaced, async |place| self.create_watch(place).await).await
    }

    async fn edit(&self) -> Result<()> {
        let (interval, limit) = (format!("{}s", 10 + self.cycle % 2), format!("{}h", 26 + self.cycle % 5));
        let edit = json!({ "spec": { "interval": interval, "maxAge": limit } });
        at_a_time(self.part(3), async |place| self.patch(place, &edit).await).await
    }

    /// Gives some accounts another key and ends the old one before the operator can read the new one, which is the
    /// worst order.
    async fn rotate(&mut self) -> Result<()> {
        for n in 0..ROTATED {
            let account = (self.cycle * ROTATED + n) % ACCOUNTS;
            let old = access_key(account, self.rotations[account]);
            self.rotations[account] += 1;
            self.set_key(account).await;
            self.cloud.remove_credential(&old);
            self.ask("rotated", (account..self.places.len()).step_by(ACCOUNTS)).await?;
        }
        Ok(())
    }

    async fn set_key(&self, account: usize) {
        let key = access_key(account, self.rotations[account]);
        self.cloud.add_credential(Credential::new(&key, SECRET_KEY));
        let values = json!({ "accessKey": key, "secretKey": SECRET_KEY });
        self.bench.scene.secret(&secret_name(account), values).await;
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
                self.cloud.set_fault(&self.cluster(place), fault.clone())?;
                struck.insert(place);
            }
        }
        Ok(struck)
    }

    fn set_backup(&self, place: usize, phase: &str, progress: u8) {
        let cluster = self.cluster(place);
        let task = Task::new(format!("{cluster}-cycle-{}", self.cycle), phase).progress(progress);
        self.bench.set_backups(&cluster, 0, Some(task), FINISHED - 1);
    }

    /// Asks for a poll now. The reason becomes part of the annotation, so that two requests of a cycle differ.
    async fn ask(&self, reason: &str, places: impl Iterator<Item = usize>) -> Result<()> {
        let asked = format!("cycle {}, {reason}", self.cycle);
        let request = json!({ "metadata": { "annotations": { "cce.backupwatch.io/requestedAt": asked } } });
        at_a_time(places, async |place| self.patch(place, &request).await).await
    }

    async fn create_watch(&self, place: usize) -> Result<()> {
        let account = place % ACCOUNTS;
        self.bench.set_backups(&self.cluster(place), 0, None, FINISHED);
        let spec = json!({
            "projectID": format!("{account:032x}"),
            "credentials": { "secretRef": { "name": secret_name(account) } },
            "maxAge": "26h",
            "historyLimit": FINISHED,
        });
        watches::create(&self.api, self.places[place], &spec).await
    }

    async fn patch(&self, place: usize, patch: &Value) -> Result<()> {
        self.api.patch(&self.name(place), &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    fn name(&self, place: usize) -> String {
        watches::name(self.places[place])
    }

    fn cluster(&self, place: usize) -> String {
        watches::cluster(self.places[place])
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
