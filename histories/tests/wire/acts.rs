//! What users and the cloud do meanwhile, and the beginning and the end of each trouble.

use std::time::Duration;

use cbw_histories::api_server::Stored;
use cbw_histories::cloud::{Cloud, Task};
use cbw_histories::script::WatchPlan;
use cce_backup_watch::api::REQUESTED_AT;
use cce_backup_watch::poll::WatchKey;
use fastrand::Rng;
use kube::ResourceExt;
use serde_json::json;

use crate::fault::{Fault, Window};
use crate::history::now;
use crate::server::Api;

/// How many clusters there are.
pub const CLUSTERS: usize = 3;

/// What begins, ends or is done.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Begins(Window),
    Ends(Window),
    Create(usize),
    Delete(usize),
    Request(usize),
    Edit(usize),
    Backup(usize),
}

pub fn plan(rng: &mut Rng) -> WatchPlan {
    WatchPlan {
        cluster: rng.usize(..CLUSTERS),
        secret: 0,
        interval: rng.u64(10..60),
        active: 10,
        max_age: None,
        stuck_after: 3_600,
        limit: 5,
        upgrades: false,
    }
}

fn key(n: usize) -> WatchKey {
    format!("ns/w{n}").into()
}

pub fn create(api: &mut Api, n: usize, plan: &WatchPlan, rng: &mut Rng) {
    let version = api.store.version + 1;
    let metadata = json!({
        "name": format!("w{n}"), "namespace": "ns", "generation": 1, "uid": format!("uid-{version}"),
        // Large enough that an answer does not fit into a pipe.
        "annotations": { "note": "x".repeat(rng.usize(..8_000)) },
    });
    let watch = plan.resource(&metadata, 0, 0, now());
    api.change(|store| store.write(&key(n), Some(Stored { watch, is_undecodable: false }), now()));
}

pub fn carry_out(n: usize, act: Act, api: &mut Api, cloud: &mut Cloud, plans: &[WatchPlan], rng: &mut Rng) {
    match act {
        Act::Begins(Window { fault: Fault::Compacted, .. }) => api.compacted = api.store.version,
        Act::Begins(window) => {
            api.wrong.push(window);
            // A fault of watches strikes those too on which nothing happens.
            api.change(|_| {});
        }
        Act::Ends(window) => api.wrong.retain(|wrong| *wrong != window),
        Act::Create(watch) if api.store.watches.contains_key(&key(watch)) => {}
        Act::Create(watch) => create(api, watch, &plans[watch], rng),
        Act::Delete(watch) if api.store.watches.contains_key(&key(watch)) => {
            api.change(|store| store.write(&key(watch), None, now()));
        }
        Act::Delete(_) => {}
        Act::Request(watch) => api.change(|store| {
            store.edit(&key(watch), now(), |stored| {
                let asked = REQUESTED_AT.to_owned();
                stored.watch.annotations_mut().insert(asked, format!("request {n}"));
            });
        }),
        Act::Edit(watch) => api.change(|store| {
            store.edit(&key(watch), now(), |stored| {
                stored.watch.spec.interval = Duration::from_secs(11).into();
                stored.watch.metadata.generation = stored.watch.metadata.generation.map(|before| before + 1);
            });
        }),
        Act::Backup(cluster) => {
            // Of two that were created in the same second, either is the last.
            let before = cloud.clusters[cluster].tasks.last().map(|task| task.created);
            let at = now().max(before.map_or(Duration::ZERO, |before| before + Duration::from_secs(1)));
            cloud.clusters[cluster].tasks.push(Task {
                uid: format!("task-{n}"),
                phase: if rng.u8(..4) == 0 { "Failed" } else { "Success" }.to_owned(),
                progress: 100,
                created: at,
                updated: at,
                completed: Some(at),
                rollback: false,
            });
            cloud.clusters[cluster].changed();
        }
    }
}
