//! Reports a resource that cannot be decoded, as when an older operator meets a newer definition: writes conditions
//! that say so, without decoding the rest of the resource.

use kube::core::error_boundary::InvalidObject;
use serde_json::{Value, json};

use super::{apply::written, context::Context, error::Error, freshness::Freshness, object::key, plan};
use crate::api::{
    ClusterBackupWatch, Reason,
    condition::{self, Truth, types},
};
use crate::cloud::text::clean;
use crate::kubernetes::ApiServer;

/// The longest description of a decoding error, in characters.
const MESSAGE: usize = 512;

/// Writes the conditions of a resource that cannot be decoded, unless it has them already.
pub async fn report<A: ApiServer>(context: &Context<A>, object: &InvalidObject) -> Result<(), Error> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let (namespace, name) = (text(&object.metadata.namespace), text(&object.metadata.name));
    let key = key(Some(&namespace), Some(&name));
    context.poller.forget(&key);
    // What the status says is not known any more, so the first copy that can be decoded again is planned from.
    context.memory.freshness(&key, object.metadata.uid.as_deref().unwrap_or_default(), |known| {
        *known = Freshness::default();
    });
    let Some(mut live) = context.api_server.raw_watch(&namespace, &name).await? else { return Ok(()) };
    // The resource was mended since the stream delivered it; the stream delivers the mended version too.
    let is_mended = serde_json::from_value::<ClusterBackupWatch>(live.clone()).is_ok(); // mark: mended
    if is_mended {
        return Ok(());
    }
    let message = format!(
        "the operator cannot decode this resource, which may be of a newer version: {}",
        clean(&object.error, MESSAGE)
    );
    if !mark(&mut live, &message, context.clock.now()) {
        return Ok(());
    }
    tracing::warn!(namespace, name, error = %object.error, "cannot decode a resource; it is not polled until it is mended");
    written(&context.metrics, context.api_server.replace_raw_status(&live).await)
}

/// Sets the conditions; returns whether that changed anything.
fn mark(live: &mut Value, message: &str, now: jiff::Timestamp) -> bool {
    let generation = live["metadata"]["generation"].as_i64();
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let old: Vec<Value> = live["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let blind = plan::verdict::blind(Reason::InvalidResource.as_str());
    let mut conditions: Vec<Value> =
        old.iter().filter(|condition| !types::ALL.contains(&&*text(condition, "type"))).cloned().collect();
    for (type_, status, reason, message) in [
        (types::READY, Truth::False, Reason::InvalidResource, message),
        (types::BACKUP_HEALTHY, Truth::Unknown, Reason::PollFailing, &blind),
        (types::STALLED, Truth::True, Reason::InvalidResource, message),
        (types::UPGRADE_PROTECTED, Truth::Unknown, Reason::InvalidResource, message),
    ] {
        let before = old.iter().find(|condition| text(condition, "type") == type_);
        // Whether upgrades are watched cannot be decoded, so the condition is corrected where it is there, and never added.
        if type_ == types::UPGRADE_PROTECTED && before.is_none() {
            continue;
        }
        let same = before.filter(|condition| text(condition, "status") == status.as_str());
        let since = same.map_or_else(
            || condition::whole_seconds(now).to_string(),
            |condition| text(condition, "lastTransitionTime"),
        );
        conditions.push(json!({
            "type": type_, "status": status.as_str(), "reason": reason.as_str(), "message": message,
            "observedGeneration": generation, "lastTransitionTime": since,
        }));
    }
    let differs = conditions != old; // mark: undecodable
    live["status"]["conditions"] = Value::Array(conditions);
    live["status"]["observedGeneration"] = json!(generation);
    differs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undecodable_resource_looks_neither_ready_nor_healthy_and_keeps_the_rest() {
        let now = "2026-01-01T00:00:00.5Z".parse().unwrap();
        let condition = |type_: &str| json!({ "type": type_, "status": "True", "reason": "Old", "message": "", "lastTransitionTime": "2025-01-01T00:00:00Z" });
        let mut live = json!({
            "metadata": { "generation": 3 },
            "status": {
                "lastSuccess": { "uid": "a" }, "unknown": 1,
                "conditions": [condition("Ready"), condition("BackupHealthy"), condition("Reconciling"), condition("UpgradeProtected"), condition("Audited")],
            },
        });
        assert!(mark(&mut live, "no", now));
        let says: Vec<_> = live["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| {
                format!(
                    "{} {} {}",
                    c["type"].as_str().unwrap(),
                    c["status"].as_str().unwrap(),
                    c["reason"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(
            says,
            [
                "Audited True Old",
                "Ready False InvalidResource",
                "BackupHealthy Unknown PollFailing",
                "Stalled True InvalidResource",
                "UpgradeProtected Unknown InvalidResource"
            ]
        );
        assert_eq!(
            (&live["status"]["lastSuccess"]["uid"], &live["status"]["unknown"]),
            (&json!("a"), &json!(1))
        );
        let before = live.clone();
        assert!(
            !mark(&mut live, "no", "2026-02-01T00:00:00Z".parse().unwrap()),
            "nothing changes by looking again"
        );
        assert_eq!(live, before);
    }
}
