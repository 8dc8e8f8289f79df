//! The credential in a Secret. The values are wiped from memory once the credential is made of them. Pure; reading the
//! Secret is left to [`crate::poll::world`].

use std::sync::Arc;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt;
use zeroize::Zeroize;

use super::{Credential, CredentialError, CredentialId, ResolvedCredential, credential::trimmed};
use crate::cloud::fault::{Fault, FaultKind};

/// The most names of keys in a message, and the longest name.
const NAMES: usize = 5;
const NAME_BYTES: usize = 32;

/// The credential that a Secret holds. Its id changes with every change of the Secret, and with its re-creation.
pub fn credential(mut secret: Secret) -> Result<ResolvedCredential, Fault> {
    let id = CredentialId(format!(
        "secret {} {}",
        secret.uid().unwrap_or_default(),
        secret.resource_version().unwrap_or_default()
    ));
    let name = secret.name_any();
    let mut values = secret.data.take().unwrap_or_default();
    let value = |key: &str| values.get(key).map(|ByteString(bytes)| bytes.as_slice()).unwrap_or_default();
    // A Secret that is made from a template may have an empty securityToken instead of none.
    let is_there = |token: &&[u8]| !std::str::from_utf8(token).is_ok_and(|text| trimmed(text).is_empty());
    let token = Some(value("securityToken")).filter(is_there);
    let read = Credential::from_bytes(value("accessKey"), value("secretKey"), token);
    for ByteString(bytes) in values.values_mut() {
        bytes.zeroize();
    }
    match read {
        Ok(credential) => Ok(ResolvedCredential { credential: Arc::new(credential), id }),
        Err(error) => {
            let what = match error {
                CredentialError::Empty(key) if !values.contains_key(key) => without(key, values.keys()),
                error => error.to_string(),
            };
            Err(Fault::new(FaultKind::SecretInvalid, format!("the Secret {name} cannot be used: {what}")))
        }
    }
}

/// A Secret has no such key. Most often the key has another name, so the names that it has are listed.
fn without<'a>(key: &str, names: impl Iterator<Item = &'a String>) -> String {
    // A name as long as an access key's secret may be one, put there by a slip of the hand.
    let mut names: Vec<_> = names.map(|name| if name.len() > NAME_BYTES { "…" } else { name }).collect();
    let more = names.len().saturating_sub(NAMES);
    names.truncate(NAMES);
    let has = match (names.join(", "), more) {
        (names, _) if names.is_empty() => "is empty".to_owned(),
        (names, 0) => format!("has {names}"),
        (names, more) => format!("has {names} and {more} more"),
    };
    format!(
        "it {has}, and needs the key {key}: the keys are accessKey, secretKey and, for temporary ones, securityToken"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(data: &[(&str, &str)]) -> String {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())));
        let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
        secret.metadata.name = Some("huawei".to_owned());
        let Err(fault) = credential(secret) else { panic!("it is a credential") };
        assert!(!fault.message.contains("canary"), "{fault}");
        fault.message
    }

    #[test]
    fn a_secret_without_a_key_lists_by_name_what_it_has() {
        let needs = ": the keys are accessKey, secretKey and, for temporary ones, securityToken";
        for (data, what) in [
            (
                &[("access_key", "canary"), ("secret_key", "canary")][..],
                "it has access_key, secret_key, and needs the key accessKey",
            ),
            (
                &[("accessKey", "canary"), ("secretkey", "canary")],
                "it has accessKey, secretkey, and needs the key secretKey",
            ),
            (&[], "it is empty, and needs the key accessKey"),
            (&[("canary-canary-canary-canary-canary-canary", "v")], "it has …, and needs the key accessKey"),
            (
                &[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", ""), ("g", "")],
                "it has a, b, c, d, e and 2 more, and needs the key accessKey",
            ),
        ] {
            assert_eq!(refused(data), format!("the Secret huawei cannot be used: {what}{needs}"));
        }
        let empty = refused(&[("accessKey", " "), ("secretKey", "canary")]);
        assert!(empty.starts_with("the Secret huawei cannot be used: accessKey is empty"), "{empty}");
    }
}
