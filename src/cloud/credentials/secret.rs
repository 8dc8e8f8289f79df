//! The credential in a Secret. The values are wiped from memory once the credential is made of them. Pure; reading the
//! Secret is left to [`crate::poll::world`].

use std::sync::Arc;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt;
use zeroize::Zeroize;

use super::{Credential, CredentialId, ResolvedCredential, credential::trimmed};
use crate::cloud::fault::{Fault, FaultKind};

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
            Err(Fault::new(FaultKind::SecretInvalid, format!("the Secret {name} cannot be used: {error}")))
        }
    }
}
