//! Who may sign: access keys with their secret keys, some of them temporary.
//!
//! Kept in memory only and never printed. Checking a signature is left to [`crate::signature`], and issuing
//! temporary credentials to `server::identity`.

use std::{collections::HashMap, fmt};

use jiff::Timestamp;

/// An access key, what it signs with, and until when.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The public half, sent with each request.
    pub access_key: String,
    /// The key that signs; never sent.
    pub secret_key: String,
    /// Has to be sent and signed with each request when there is one, and must not be sent otherwise.
    pub security_token: Option<String>,
    /// From this time on the access key is unknown; `None`: never.
    pub expires_at: Option<Timestamp>,
}

impl Credential {
    /// A pair without a token that never expires.
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self {
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            security_token: None,
            expires_at: None,
        }
    }

    /// The same with a security token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.security_token = Some(token.into());
        self
    }

    /// The same with an expiry.
    #[must_use]
    pub fn expiring(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("access_key", &self.access_key)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The credentials that are accepted, one for each access key.
#[derive(Debug, Default)]
pub(crate) struct Credentials(HashMap<String, Credential>);

impl Credentials {
    /// Accepts a credential, in place of the one with the same access key.
    pub(crate) fn put(&mut self, credential: Credential) {
        self.0.insert(credential.access_key.clone(), credential);
    }

    /// Stops accepting an access key; returns whether there was such a one.
    pub(crate) fn remove(&mut self, access_key: &str) -> bool {
        self.0.remove(access_key).is_some()
    }

    /// The credential of an access key, unless it has expired.
    pub(crate) fn find(&self, access_key: &str, now: Timestamp) -> Option<Credential> {
        self.0.get(access_key).filter(|found| found.expires_at.is_none_or(|end| now < end)).cloned()
    }

    /// Forgets what has expired, so that the memory does not grow with every credential that is issued.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        self.0.retain(|_, credential| credential.expires_at.is_none_or(|end| now < end));
    }

    /// Forgets every credential that expires.
    pub(crate) fn remove_temporary(&mut self) {
        self.0.retain(|_, credential| credential.expires_at.is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_found_until_it_expires() {
        let end = Timestamp::from_second(1_000).unwrap();
        let mut credentials = Credentials::default();
        credentials.put(Credential::new("AK", "SK").expiring(end));
        assert!(credentials.find("AK", Timestamp::from_second(999).unwrap()).is_some());
        assert!(credentials.find("AK", end).is_none());
        assert!(credentials.find("OTHER", Timestamp::UNIX_EPOCH).is_none());
    }

    #[test]
    fn a_new_secret_key_takes_the_place_of_the_old_one() {
        let mut credentials = Credentials::default();
        credentials.put(Credential::new("AK", "old"));
        credentials.put(Credential::new("AK", "new"));
        assert_eq!(credentials.find("AK", Timestamp::UNIX_EPOCH).unwrap().secret_key, "new");
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = format!("{:?}", Credential::new("AK", "CANARY").with_token("CANARY"));
        assert!(!text.contains("CANARY"), "{text}");
    }
}
