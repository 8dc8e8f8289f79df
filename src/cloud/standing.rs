//! How a credential stands with the cloud. Huawei locks an access key for minutes after five refused requests, so a
//! refusal holds for every watch that shares the credential, ever longer; and a credential that was never accepted makes
//! one request at a time, so that a wrong key used by fifty watches costs one refusal, not fifty.

use std::time::{Duration, Instant};

use super::{fault::FaultKind, share::Outcome};

/// The first wait after a refusal.
const FIRST: Duration = Duration::from_mins(1);
/// The longest.
const LONGEST: Duration = Duration::from_mins(10);
/// How long to stay away while another proves the credential.
const PROVING: Duration = Duration::from_millis(500);

/// How long a credential stays away after so many refusals in a row.
pub fn backoff(refusals: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(refusals.saturating_sub(1))).min(LONGEST)
}

/// Whether a request may go out.
#[derive(Debug)]
pub enum Entry {
    /// Yes; say how it ended by [`Standing::left`].
    Granted,
    /// No: the credential was refused, and this is how.
    Refused(Outcome),
    /// Not now: another request is proving the credential.
    Later(Duration),
}

/// The standing of one credential.
#[derive(Debug, Default)]
pub struct Standing {
    proven: bool,
    under_way: u32,
    refusals: u32,
    refused: Option<(Outcome, Instant)>,
}

impl Standing {
    /// Asks to make a request. A person's own request passes a refusal, not the rule of one at a time.
    pub fn enter(&mut self, now: Instant, asked: bool) -> Entry {
        if let Some((outcome, until)) = &self.refused
            && now < *until
            && !asked
        {
            return Entry::Refused(outcome.clone());
        }
        if !self.proven && self.under_way > 0 {
            return Entry::Later(PROVING);
        }
        self.under_way += 1;
        Entry::Granted
    }

    /// A request ended, or was given up.
    pub fn left(&mut self, outcome: Option<&Outcome>) {
        self.under_way = self.under_way.saturating_sub(1);
        let Some(outcome) = outcome else { return };
        match &outcome.result {
            Err(fault) if fault.kind == FaultKind::AuthenticationFailed => {
                self.proven = false;
                self.refusals += 1;
                self.refused = Some((outcome.clone(), outcome.at + backoff(self.refusals)));
            }
            // Only who knows the caller says this.
            Ok(_) => self.prove(),
            Err(fault) if matches!(fault.kind, FaultKind::PermissionDenied | FaultKind::ClusterNotFound) => {
                self.prove();
            }
            // The cloud may not have got as far as the credential.
            Err(_) => {}
        }
    }

    fn prove(&mut self) {
        *self = Self { proven: true, under_way: self.under_way, ..Self::default() };
    }
}
