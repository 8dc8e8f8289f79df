//! Trouble between the operator and a real control plane, and the promises that hold after it.
//!
//! After each trouble of this folder [`Twins::afterwards`](crate::shared::twins::Twins::afterwards) compares the
//! operator with one that had no trouble: within 30 s every status is the same; each transition is one Event; the
//! requests to the API server are bounded; the process is alive and ready, and does the work of a ready one.
//!
//! | trouble | shown by |
//! |---|---|
//! | killed at 36 random moments | `kills` |
//! | killed at every step, and between an Event and its status | `events` |
//! | API server and etcd away | `api_server_trouble`, `outage` |
//! | API server new, so that a watch is too old (410) | `compaction` |
//! | connections silent | `silence`, `outage`; watches alone: `api_server_trouble` |
//! | each verb answered with 401, 403, 409, 422, 429, 500 or 504 for a while | `verbs` |
//! | no list and no watch for longer | `verbs` |
//! | replies lost | `api_server_trouble` |
//! | a list from an older moment, corrected by the watch that follows or not | `stale_list` |
//! | permission for Secrets, Events or statuses taken and given back | `permissions` |
//! | permission for statuses away for longer: rarer tries, one line in the log | `api_server_trouble` |
//! | permission for Events never given | `outage` |
//! | a resource deleted and created again, seen or not | `re_created` |
//! | the definition deleted and installed again | `definition_away` |
//! | each verb on the Lease answered with those codes for longer than it holds | `lease` |
//! | the leader frozen for a minute | `frozen` |
//! | the leader killed, told to stop, robbed of its Lease; two operators at once | `replicas` |
//! | others write to the same resources; a status restored | `concurrent_writers`, `restored_status` |
//!
//! Files that are not in this folder are in the one above.

mod compaction;
mod definition_away;
mod frozen;
mod kills;
mod lease;
mod permissions;
mod re_created;
mod silence;
mod stale_list;
mod verbs;

use cbw_testkit::trial::Test;

/// The tests of this folder, the longest first.
pub fn tests() -> Vec<Test> {
    let tests = [
        verbs::tests(),
        kills::tests(),
        permissions::tests(),
        definition_away::tests(),
        frozen::tests(),
        lease::tests(),
        compaction::tests(),
        stale_list::tests(),
        silence::tests(),
        re_created::tests(),
    ];
    tests.into_iter().flatten().collect()
}
