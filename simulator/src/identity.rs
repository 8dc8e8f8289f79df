//! Who gets temporary credentials: the rules of IAM and pod identity, and what they issue.
//!
//! Holds the tokens and counts. An issued credential is added to those of [`crate::credential`], and the CCE endpoint
//! accepts it until it expires. The HTTP side is left to `server::identity`.

use std::{
    collections::{BTreeMap, HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hasher},
};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    credential::Credential,
    fault::{Fault, strike},
};

/// How long a token of IAM is known.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// At this many tokens of IAM, all of them are forgotten: a client that needs so many is broken.
const MAX_TOKENS: usize = 10_000;

/// What the services that issue credentials ask for. By default none of them is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The identity provider that IAM knows, and the id token that it takes from it; without both IAM is not there.
    pub idp_id: Option<String>,
    /// See [`Identity::idp_id`].
    pub id_token: Option<String>,
    /// The `Authorization` that pod identity takes; without it pod identity is not there.
    pub pod_token: Option<String>,
    /// How long what is issued is accepted.
    pub lifetime: SignedDuration,
}

impl Default for Identity {
    fn default() -> Self {
        Self { idp_id: None, id_token: None, pod_token: None, lifetime: SignedDuration::from_hours(1) }
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("idp_id", &self.idp_id)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// A call to one of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityCall {
    /// `POST /v3.0/OS-AUTH/id-token/tokens`.
    IamToken,
    /// `POST /v3.0/OS-CREDENTIAL/securitytokens`.
    IamCredential,
    /// `POST /pod-identity`.
    PodIdentity,
}

/// What came of the calls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdentityCounts {
    /// All of them.
    pub requests: u64,
    /// Those that issued a token or a credential.
    pub issued: u64,
}

/// The rules, the faults, and the tokens that were issued.
#[derive(Debug, Default)]
pub(crate) struct Issuer {
    pub(crate) rules: Identity,
    pub(crate) faults: BTreeMap<IdentityCall, Option<Fault>>,
    pub(crate) counts: BTreeMap<IdentityCall, IdentityCounts>,
    /// The tokens of IAM, and when each ends.
    subject_tokens: HashMap<String, Timestamp>,
}

impl Issuer {
    /// Counts a call, and gives the fault that strikes it.
    pub(crate) fn enter(&mut self, call: IdentityCall) -> Option<Fault> {
        self.counts.entry(call).or_default().requests += 1;
        strike(self.faults.get_mut(&call)?)
    }

    /// Whether this is the id token of the provider; `None`: there is no IAM.
    pub(crate) fn knows_id_token(&self, idp_id: &str, id_token: &str) -> Option<bool> {
        let (idp, token) = (self.rules.idp_id.as_deref()?, self.rules.id_token.as_deref()?);
        Some(idp == idp_id && same(token, id_token))
    }

    /// Whether pod identity takes this token; `None`: there is no pod identity.
    pub(crate) fn knows_pod_token(&self, token: &str) -> Option<bool> {
        self.rules.pod_token.as_deref().map(|expected| same(expected, token))
    }

    /// A token of IAM.
    pub(crate) fn subject_token(&mut self, now: Timestamp) -> String {
        self.counts.entry(IdentityCall::IamToken).or_default().issued += 1;
        self.subject_tokens.retain(|_, end| now < *end);
        if self.subject_tokens.len() >= MAX_TOKENS {
            self.subject_tokens.clear();
        }
        let token = random();
        self.subject_tokens.insert(token.clone(), now.checked_add(TOKEN_LIFETIME).unwrap_or(now));
        token
    }

    pub(crate) fn knows_subject_token(&self, token: &str, now: Timestamp) -> bool {
        self.subject_tokens.get(token).is_some_and(|end| now < *end)
    }

    /// A new temporary credential.
    pub(crate) fn credential(&mut self, call: IdentityCall, now: Timestamp) -> Credential {
        self.counts.entry(call).or_default().issued += 1;
        let end = now.checked_add(self.rules.lifetime).unwrap_or(now);
        let access_key = format!("HST{}", &random()[..17].to_uppercase());
        // As long as a real one, which does not fit in 1 kB.
        let token = format!("SIM{}", (0..20).map(|_| random()).collect::<String>());
        Credential::new(access_key, &random()[..40]).with_token(token).expiring(end)
    }
}

fn same(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// 64 hexadecimal digits. Their randomness is that of the hasher's keys, which is enough for credentials that only a
/// simulator accepts.
fn random() -> String {
    let mut digest = Sha256::new();
    for _ in 0..4 {
        digest.update(RandomState::new().build_hasher().finish().to_le_bytes());
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn credentials_differ_and_end_after_their_lifetime() {
        let mut issuer = Issuer::default();
        issuer.rules.lifetime = SignedDuration::from_secs(20);
        let first = issuer.credential(IdentityCall::PodIdentity, at(100));
        let second = issuer.credential(IdentityCall::PodIdentity, at(100));
        assert_eq!(first.expires_at, Some(at(120)));
        assert_ne!(first.access_key, second.access_key);
        assert_ne!(first.secret_key, second.secret_key);
        assert_ne!(first.security_token, second.security_token);
        assert_eq!(issuer.counts[&IdentityCall::PodIdentity].issued, 2);
    }

    #[test]
    fn a_token_of_iam_is_known_for_a_day() {
        let mut issuer = Issuer::default();
        let token = issuer.subject_token(at(0));
        assert!(issuer.knows_subject_token(&token, at(86_399)));
        assert!(!issuer.knows_subject_token(&token, at(86_400)));
    }

    #[test]
    fn the_rules_print_no_token() {
        let rules = Identity {
            id_token: Some("CANARY".to_owned()),
            pod_token: Some("CANARY".to_owned()),
            ..Identity::default()
        };
        assert!(!format!("{rules:?}").contains("CANARY"));
    }
}
