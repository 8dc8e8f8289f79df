//! The access key, secret key and token of an account: never printed, never serialised, wiped when dropped.
//!
//! Where they come from is left to whoever builds one: a Secret of the watch's namespace, or the operator's own
//! identity.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::cloud::redact;

/// Far above any real key (Huawei's have 20 and 40 characters).
const MAX_KEY_BYTES: usize = 2 * 1024;
/// Security tokens are long, and grow with the number of the agency's policies.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Shorter values are not redacted: they are no real secrets, and would match inside ordinary words.
const MIN_REDACTED_BYTES: usize = 8;

/// A value that cannot be part of a credential. Messages name the key and never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Nothing but white space.
    #[error("{0} is empty: give it a value, or leave it out where it is optional")]
    Empty(&'static str),
    /// Something inside that no key can have; the second field says what.
    #[error("{0} holds {1}, which no key has: copy the value again, as one line of plain text")]
    Unusable(&'static str, &'static str),
    /// Too long for what it should be.
    #[error("{0} is too long for what it should be: check that the right value was put there")]
    TooLong(&'static str),
}

/// What signs a request.
#[derive(Clone)]
pub struct Credential {
    access_key: SecretString,
    secret_key: SecretString,
    security_token: Option<SecretString>,
}

impl Credential {
    /// Takes the three values, each trimmed. A token comes only with temporary credentials.
    pub fn new(access_key: &str, secret_key: &str, token: Option<&str>) -> Result<Self, CredentialError> {
        Self::from_bytes(access_key.as_bytes(), secret_key.as_bytes(), token.map(str::as_bytes))
    }

    /// The same from raw bytes, as a Secret holds them.
    pub fn from_bytes(
        access_key: &[u8],
        secret_key: &[u8],
        token: Option<&[u8]>,
    ) -> Result<Self, CredentialError> {
        Ok(Self {
            access_key: value("accessKey", access_key, MAX_KEY_BYTES)?,
            secret_key: value("secretKey", secret_key, MAX_KEY_BYTES)?,
            security_token: token.map(|t| value("securityToken", t, MAX_TOKEN_BYTES)).transpose()?,
        })
    }

    pub(in crate::cloud) fn access_key(&self) -> &str {
        self.access_key.expose_secret()
    }

    pub(in crate::cloud) fn secret_key(&self) -> &str {
        self.secret_key.expose_secret()
    }

    pub(in crate::cloud) fn security_token(&self) -> Option<&str> {
        self.security_token.as_ref().map(SecretString::expose_secret)
    }

    /// A keyed hash of the three values: copies of one key in many Secrets have the same fingerprint.
    pub fn fingerprint(&self, hasher: &impl BuildHasher) -> u64 {
        hasher.hash_one((self.access_key(), self.secret_key(), self.security_token()))
    }

    /// Whether the other one has the same three values.
    pub(in crate::cloud) fn same_as(&self, other: &Self) -> bool {
        self.access_key() == other.access_key()
            && self.secret_key() == other.secret_key()
            && self.security_token() == other.security_token()
    }

    /// Overwrites each of the three values in `bytes` with asterisks, however it is spelled, so that a service that
    /// answers with what it was sent cannot carry a key into a status or a log.
    pub(in crate::cloud) fn redact(&self, bytes: &mut [u8]) {
        let values = [Some(self.access_key()), Some(self.secret_key()), self.security_token()];
        for value in values.into_iter().flatten().map(str::as_bytes).filter(|v| v.len() >= MIN_REDACTED_BYTES)
        {
            redact::overwrite(bytes, value);
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

/// What is left of a value that a person or a template has put somewhere: a Secret, a variable, a file. White space
/// around it, and the mark that some editors put before a text, are trimmed everywhere alike.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

fn value(name: &'static str, bytes: &[u8], max: usize) -> Result<SecretString, CredentialError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| CredentialError::Unusable(name, "bytes that are no text"))
        .map(trimmed)?;
    if text.is_empty() {
        return Err(CredentialError::Empty(name));
    }
    if text.len() > max {
        return Err(CredentialError::TooLong(name));
    }
    match text.chars().find_map(foreign) {
        None => Ok(SecretString::from(text)),
        Some(what) => Err(CredentialError::Unusable(name, what)),
    }
}

/// What a character is that no key and no token has. Keys are of letters and digits, tokens of Base64; what is certainly
/// a slip of the hand is refused here, because a request that is signed with it counts against the key.
fn foreign(c: char) -> Option<&'static str> {
    Some(match c {
        '\n' => "a line break",
        '\r' => "a carriage return (CR, as in files from Windows)",
        c if c.is_whitespace() => "white space",
        '"' | '\'' | '`' | '‘' | '’' | '“' | '”' => "quotes",
        c if c.is_control() => "a control character",
        c if !c.is_ascii() => "a character that is not ASCII",
        ',' | ';' => "a comma or semicolon, as in a line of a CSV file",
        '<' | '>' | '{' | '}' | '$' => "a placeholder's brackets or $",
        _ => return None,
    })
}

/// A resolved credential: what signs a request, and an id.
#[derive(Clone, Debug)]
pub struct ResolvedCredential {
    /// What signs a request.
    pub credential: Arc<Credential>,
    /// Tells this credential from others, without revealing it.
    pub id: CredentialId,
}

/// Which credential this is, without saying anything about it: the uid and resourceVersion of a Secret, for example.
///
/// A changed credential always has a new id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(pub String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_trimmed() {
        let credential = Credential::new(" AK\n", "\u{feff}\tSK+/=\r\n", Some("\u{3000}T\u{a0}")).unwrap();
        assert_eq!(credential.access_key(), "AK");
        assert_eq!(credential.secret_key(), "SK+/=");
        assert_eq!(credential.security_token(), Some("T"));
        assert_eq!(Credential::new("a", "b", None).unwrap().security_token(), None);
    }

    #[test]
    fn a_bad_value_is_refused_by_the_name_of_its_key_and_never_shown() {
        use CredentialError::{Empty, TooLong, Unusable};
        let (long_key, long_token) = ("canary".repeat(400), "canary".repeat(4_000));
        let spaces = "white space";
        for (ak, sk, token, error) in [
            ("", "sk", None, Empty("accessKey")),
            ("ak", " \n", None, Empty("secretKey")),
            ("ak", "sk", Some(""), Empty("securityToken")),
            ("can ary", "sk", None, Unusable("accessKey", spaces)),
            ("can\u{a0}ary", "sk", None, Unusable("accessKey", spaces)),
            ("ak", "canary\u{e9}", None, Unusable("secretKey", "a character that is not ASCII")),
            ("ak", "\"canary\"", None, Unusable("secretKey", "quotes")),
            ("'canary'", "sk", None, Unusable("accessKey", "quotes")),
            ("“canary”", "sk", None, Unusable("accessKey", "quotes")),
            ("ak", "canary\nsk", None, Unusable("secretKey", "a line break")),
            ("ak", "sk", Some("canary\nX-Evil: 1"), Unusable("securityToken", "a line break")),
            (
                "ak",
                "sk",
                Some("can\rary"),
                Unusable("securityToken", "a carriage return (CR, as in files from Windows)"),
            ),
            ("ak", "can\0ary", None, Unusable("secretKey", "a control character")),
            (
                "canary,sk",
                "sk",
                None,
                Unusable("accessKey", "a comma or semicolon, as in a line of a CSV file"),
            ),
            ("ak", "<canary>", None, Unusable("secretKey", "a placeholder's brackets or $")),
            (&long_key, "sk", None, TooLong("accessKey")),
            ("ak", &long_key, None, TooLong("secretKey")),
            ("ak", "sk", Some(long_token.as_str()), TooLong("securityToken")),
        ] {
            let refused = Credential::new(ak, sk, token).unwrap_err();
            assert_eq!(refused, error);
            assert!(!format!("{refused} {refused:?}").contains("can"), "{refused}");
        }
        let no_text = Credential::from_bytes(b"a", b"\xff\xfe", None);
        assert!(matches!(no_text, Err(Unusable("secretKey", "bytes that are no text"))));
        assert_eq!(
            Unusable("secretKey", "quotes").to_string(),
            "secretKey holds quotes, which no key has: copy the value again, as one line of plain text"
        );
        assert!(Credential::new("a", "b", Some(&"t".repeat(MAX_TOKEN_BYTES))).is_ok());
    }

    #[test]
    fn nothing_of_a_credential_is_printed() {
        let credential = Credential::new("canary-ak", "canary-sk", Some("canary-token")).unwrap();
        assert_eq!(format!("{credential:?}"), "Credential { .. }");
    }

    #[test]
    fn what_a_service_echoes_is_overwritten() {
        let credential = Credential::new("canary-ak", "canary-sk", Some("tok")).unwrap();
        let mut body = b"{\"m\":\"canary-ak canary-akcanary-sk tok canary\"}".to_vec();
        credential.redact(&mut body);
        assert_eq!(body, b"{\"m\":\"********* ****************** tok canary\"}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused_without_panic(
            key in proptest::collection::vec(any::<u8>(), 0..40), mut body in proptest::collection::vec(any::<u8>(), 0..80)
        ) {
            if let Ok(credential) = Credential::from_bytes(&key, &key, Some(&key)) {
                prop_assert!(credential.access_key().bytes().all(|b| b.is_ascii_graphic()));
                credential.redact(&mut body);
            }
        }
    }
}
