//! Every duration and cap of polling and of writing, in one table. A gate closes on a fault and opens with an answer;
//! what differs between gates is a [`Row`] here.

use std::time::Duration;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The waits after faults in a row: the first, doubled with each further fault, to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// After the first fault.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Wait {
    /// The wait after so many faults in a row.
    pub fn after(self, faults: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(faults.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// What a gate does with a poll that a person asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// The poll is a trial at once.
    Trial,
    /// The poll is a trial, but one in this time.
    TrialEvery(Duration),
    /// The poll waits like any other.
    Waits,
}

/// How a gate behaves towards one kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// How many such faults in a row close the gate.
    pub faults: u32,
    /// How long the gate is closed before one trial at a time passes.
    pub wait: Wait,
    /// What a person's request may do.
    pub request: Passage,
    /// Whether a `Retry-After` is the wait.
    pub keeps_retry_after: bool,
}

const fn row(faults: u32, first: Duration, longest: Duration, request: Passage) -> Row {
    Row { faults, wait: Wait { first, longest }, request, keeps_retry_after: false }
}

/// Credential: there is no Secret, no usable key in it, or the API server forbids to read it.
pub const MISSING: Row = row(1, seconds(30), seconds(300), Passage::Trial);
/// Credential: whoever hands it out gave no answer.
pub const UNREAD: Row = row(1, seconds(1), seconds(15), Passage::Trial);
/// Credential: the API server refuses to hand it out, for the first time. One that has just started refuses everything for
/// a moment, so a refusal is believed when it is repeated.
pub const DOUBTED: Row = row(1, seconds(5), seconds(5), Passage::Trial);
/// Key: a 401. Huawei locks a key for minutes after five of them.
pub const REFUSED: Row = row(1, seconds(60), seconds(600), Passage::TrialEvery(seconds(60)));
/// Account: a 429 that is not of one cluster.
pub const THROTTLED: Row =
    Row { keeps_retry_after: true, ..row(1, seconds(60), seconds(600), Passage::Waits) };
/// Account: no HTTP status, as with a time-out or without a connection.
pub const UNREACHABLE: Row = row(5, seconds(1), seconds(60), Passage::Trial);

/// The longest backoff of a fetch whose own polls fail; the first is its watches' shortest `activeInterval`.
pub const OWN_LONGEST: Duration = seconds(600);
/// How often a Secret is read again while its key is refused. A missing one has the same waits, by its gate.
pub const REREAD: Wait = MISSING.wait;
/// How old a Secret may be before it is read again.
pub const SECRET_TTL: Duration = seconds(300);
/// The same for the operator's own credential, which its source caches and renews, so that reading it costs nothing.
pub const OPERATOR_TTL: Duration = seconds(1);

/// How often the upgrades are listed while none is under way, and at least while the list cannot be read.
pub const UPGRADES_IDLE: Duration = seconds(3600);
/// How long a list of upgrades that is due lets polls go first.
pub const UPGRADES_WAIT: Duration = seconds(60);

/// A watch is blind so long after the first of its polls that was due and brought no answer.
pub const BLIND: Duration = seconds(60);
/// The time over which watches that are blind by one cause say so.
pub const BLIND_SPREAD: Duration = seconds(15);

/// Requests that may be in flight with a key that no answer has proven yet.
pub const UNPROVEN: usize = 2;
/// Reads of credentials at a time.
pub const READS: usize = 16;

/// How much earlier than an idle poll each class of polls is served.
pub const HEAD_START: [Duration; 4] = [seconds(0), seconds(60), seconds(90), seconds(120)];

/// How soon a fetch looks again whether the trial of a closed gate has ended.
pub const TRIAL_CHECK: Duration = seconds(3);
/// Fetches that a gate lets go when it opens: one in this time, and all within [`RELEASE_LONGEST`].
pub const RELEASE: Duration = Duration::from_millis(100);
/// See [`RELEASE`].
pub const RELEASE_LONGEST: Duration = seconds(10);
/// The least time between two requests of a fetch that no person asked for, so that watches that join one shortly after
/// another share a request.
pub const SPACING: Duration = seconds(1);
/// The shortest time until a timer fires, so that the loop cannot spin.
pub const SHORTEST: Duration = Duration::from_millis(100);
/// How often state that nobody uses is dropped.
pub const SWEEP: Duration = seconds(60);
/// How long a status that somebody else wrote is left, or until the next due poll, if one was corrected so recently: two
/// processes that see different faults must not overwrite each other without end. No longer, because the next due poll of a
/// daily watch is a day away.
pub const REST: Duration = seconds(60);

/// The spread of the first poll after a restart, at the longest, for a watch that only a person can mend, and for one whose
/// polls fail.
pub const STALLED_SPREAD: Duration = seconds(30);
/// See [`STALLED_SPREAD`].
pub const FAILING_SPREAD: Duration = seconds(600);

/// Writes: the waits after errors that may pass by themselves. Short, so that all is written soon after the API server's
/// return.
pub const WRITE: Wait = Wait { first: seconds(1), longest: seconds(15) };
/// Writes: the longest wait after a refusal, which only a person can end, and how many such tries a second all watches
/// together may make. So a few watches soon use a permission that comes back, and ten thousand storm nobody.
pub const WRITE_REFUSED: (Duration, f64) = (seconds(300), 20.0);
/// How long after its last fault an API server may still be starting, and refuse what it will allow later.
pub const STARTING: Duration = seconds(60);
/// How long an Event may hold back a status, counted from its own first failure.
pub const EVENT_HOLDS: Duration = seconds(60);
/// The waits of a watch stream that fails. The longest is short, so that missed changes are caught up soon.
pub const STREAM: Wait = Wait { first: seconds(1), longest: seconds(10) };
/// How long after its last failure the backoff of a stream begins anew.
pub const STREAM_CALM: Duration = seconds(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest() {
        let waits: Vec<_> = (0..6).map(|faults| THROTTLED.wait.after(faults).as_secs()).collect();
        assert_eq!(waits, [60, 60, 120, 240, 480, 600]);
        assert_eq!(REFUSED.wait.after(u32::MAX), REFUSED.wait.longest);
    }
}
