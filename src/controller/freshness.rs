//! Whether a copy of a status is the one that this process wrote last. The status is the operator's own: another one was
//! written by somebody else, or the copy is old, and only a live read tells which. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use crate::api::{ClusterBackupWatchStatus, condition::types};
use crate::poll::policy::REST;

/// What is known of the status of one watch.
#[derive(Debug, Default)]
pub struct Freshness {
    /// The status that was written last, or that the watch came with; none before it was first seen.
    ours: Option<u64>,
    /// A status that may have been written, by a request whose reply has not come and that the stream has not delivered.
    sent: Option<u64>,
    /// When a status of somebody else was last noticed.
    noticed: Option<Instant>,
}

impl Freshness {
    /// Whether a copy with this status may be planned from. The first that is seen may: there is nothing to compare with.
    /// While nobody knows whether a write is stored none may: whatever comes next is planned from a live read.
    pub fn is_ours(&mut self, status: u64) -> bool {
        *self.ours.get_or_insert(status) == status && self.sent.is_none() // mark: lost reply
    }

    /// A live read shows this status; returns whether this process wrote it. Then a copy with another one is old.
    pub fn confirms(&mut self, status: u64) -> bool {
        let is_ours = self.is_known(status);
        if is_ours {
            self.wrote(status);
        }
        is_ours
    }

    /// The stream delivers this status; returns whether it says nothing new. One that was sent is stored then, whether or not
    /// the reply has come, so that another one after it is of somebody else, be it the one from before the write.
    pub fn delivers(&mut self, status: u64) -> bool {
        if self.sent == Some(status) {
            self.wrote(status); // mark: delivered
        }
        self.is_known(status)
    }

    fn is_known(&self, status: u64) -> bool {
        self.ours.is_none_or(|ours| ours == status) || self.sent == Some(status)
    }

    /// A status is about to be written.
    pub fn sends(&mut self, status: u64) {
        self.sent = Some(status);
    }

    /// The API server has stored this status.
    pub fn wrote(&mut self, status: u64) {
        (self.ours, self.sent) = (Some(status), None); // mark: own status
    }

    /// A live read shows a status of somebody else: from now on that is the one to plan from. Returns whether this has
    /// happened shortly before.
    pub fn adopts(&mut self, status: u64, now: Instant) -> bool {
        self.wrote(status);
        self.noticed.replace(now).is_some_and(|before| now < before + REST)
    }
}

/// A hash of a status, without the conditions of other owners: these are not the operator's to judge.
pub fn hash(status: &ClusterBackupWatchStatus) -> u64 {
    let is_ours = |type_: &String| types::ALL.contains(&type_.as_str());
    let mut hash = DefaultHasher::new();
    // A status is made of strings and numbers, so it can always be written as JSON.
    let json = if status.conditions.iter().all(|condition| is_ours(&condition.type_)) {
        serde_json::to_vec(status)
    } else {
        let mut status = status.clone();
        status.conditions.retain(|condition| is_ours(&condition.type_));
        serde_json::to_vec(&status)
    };
    json.unwrap_or_default().hash(&mut hash);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;

    #[test]
    fn only_what_was_written_last_is_ours_and_what_a_lost_reply_may_have_written() {
        let mut freshness = Freshness::default();
        assert!(freshness.delivers(7));
        assert!(freshness.is_ours(1) && !freshness.is_ours(2) && !freshness.delivers(2));
        freshness.sends(2);
        assert!(!freshness.is_ours(1) && !freshness.is_ours(2) && freshness.delivers(1));
        assert!(!freshness.confirms(9) && freshness.confirms(2));
        assert!(freshness.is_ours(2) && !freshness.is_ours(1), "the copy from before the write is old");
        freshness.wrote(3);
        assert!(freshness.is_ours(3) && !freshness.is_ours(1) && !freshness.is_ours(2));
    }

    #[test]
    fn a_status_that_is_restored_before_the_reply_to_the_write_has_come_is_news() {
        let (mut freshness, now) = (Freshness::default(), Instant::now());
        freshness.adopts(1, now);
        freshness.sends(2);
        assert!(freshness.delivers(1), "the copy from before the write is no news");
        assert!(freshness.delivers(2) && freshness.is_ours(2), "the write is stored");
        assert!(!freshness.delivers(1), "so this one was written after it");
        freshness.wrote(2);
        assert!(!freshness.is_ours(1) && !freshness.confirms(1));
    }

    #[test]
    fn a_status_of_somebody_else_is_planned_from_and_a_second_one_rests() {
        let (mut freshness, now) = (Freshness::default(), Instant::now());
        assert!(freshness.is_ours(1));
        assert!(!freshness.adopts(2, now));
        assert!(freshness.is_ours(2));
        assert!(freshness.adopts(3, now + REST / 2));
        assert!(!freshness.adopts(4, now + REST * 2));
    }

    #[test]
    fn a_condition_of_another_owner_makes_no_other_status() {
        let condition = |type_: &str| Condition {
            type_: type_.into(),
            status: "True".into(),
            reason: "Any".into(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        };
        let status = |types: &[&str]| ClusterBackupWatchStatus {
            conditions: types.iter().map(|type_| condition(type_)).collect(),
            ..Default::default()
        };
        assert_eq!(hash(&status(&["Ready"])), hash(&status(&["Ready", "Audited"])));
        assert_ne!(hash(&status(&["Ready"])), hash(&status(&["Ready", "Stalled"])));
    }
}
