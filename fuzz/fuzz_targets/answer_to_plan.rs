//! Whatever the cloud answers, in whatever order: nothing panics, a success on record stays, the status stays small, a
//! good verdict has a success behind it, and a plan that was applied is not planned again.
//!
//! The input is cut at zero bytes into the bodies of answers that follow one another; a body of less than two bytes
//! stands for a poll that failed.
#![no_main]

use std::sync::Arc;

use cce_backup_watch::{
    api::{ClusterBackupWatchSpec, ClusterBackupWatchStatus, condition},
    cloud::{
        fault::{Fault, FaultKind},
        wire,
    },
    controller::plan::{Input, plan},
    poll::Outcome,
};
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limit = bytes.first().map_or(10, |byte| i64::from(byte % 50) + 1);
    let spec: ClusterBackupWatchSpec = serde_json::from_value(serde_json::json!({
        "region": "cn-north-4",
        "projectID": "0123456789abcdef0123456789abcdef",
        "clusterID": "11111111-2222-3333-4444-555555555555",
        "maxAge": "26h",
        "historyLimit": limit,
    }))
    .expect("a good spec");
    let mut status = ClusterBackupWatchStatus::default();
    let mut now = Timestamp::from_second(1_700_903_027).expect("a time");
    let mut failures = 0;

    for body in bytes.split(|byte| *byte == 0).take(8) {
        let decoded = wire::decode(&mut body.to_vec());
        let fault = Fault::new(FaultKind::CloudUnavailable, "no answer");
        failures = if decoded.is_ok() { 0 } else { failures + 1 };
        let outcome = match decoded {
            Ok(answer) => Outcome::Answer(Arc::new(answer)),
            // Blindness is a matter of time, and two rounds in a row are longer than it takes.
            Err(_) => Outcome::Fault { fault: Arc::new(fault), is_blind: failures > 1 },
        };
        let look = |status: &ClusterBackupWatchStatus| {
            plan(&Input {
                name: "prod",
                uid: "uid",
                display_name: None,
                generation: Some(1),
                created: Some(now),
                spec: &spec,
                status,
                outcome: Some(&outcome),
                upgrades: None,
                listed: None,
                request: None,
                now,
            })
        };
        let first = look(&status);
        let before = status.clone();
        if let Some(written) = first.status {
            // As it comes back from the API server.
            let json = serde_json::to_vec(&written).expect("a status serialises");
            assert!(json.len() < 256 * 1024, "{} bytes", json.len());
            status = serde_json::from_slice(&json).expect("a status reads back");
        }
        assert!(before.last_success.is_none() || status.last_success.is_some());
        let healthy = condition::find(&status.conditions, condition::types::BACKUP_HEALTHY).expect("always there");
        assert!(healthy.status != "True" || status.last_success.is_some(), "good without a success");
        let again = look(&status);
        assert_eq!(again.status, None, "planned twice");
        assert!(again.events.is_empty(), "reported twice: {:?}", again.events);
        now += SignedDuration::from_mins(7);
    }
});
