//! Reads a credential from a Secret: with `get` alone, never with a list or a watch. The values are wiped from memory
//! once the credential is made of them. When to read is left to [`super::engine`].

use std::sync::Arc;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt;
use zeroize::Zeroize;

use super::Resolution;
use crate::cloud::{
    credential::{Credential, CredentialId, ResolvedCredential},
    fault::{Fault, FaultKind},
};
use crate::kubernetes::ApiServer;

/// What a Secret of the operator's cluster holds.
pub async fn resolve(api_server: &impl ApiServer, namespace: &str, name: &str) -> Resolution {
    match api_server.secret(namespace, name).await {
        Ok(secret) => match credential(secret) {
            Ok(read) => Resolution::Resolved(read),
            Err(fault) => Resolution::Missing(fault),
        },
        Err(kube::Error::Api(status)) if status.code == 404 => Resolution::Missing(Fault::new(
            FaultKind::SecretNotFound,
            format!(
                "there is no Secret {name} in this namespace: create it with the keys accessKey and secretKey"
            ),
        )),
        Err(kube::Error::Api(status)) if status.code == 403 => Resolution::Doubtful(Fault::new(
            FaultKind::SecretNotFound,
            format!(
                "the operator may not read the Secret {name}: allow its service account to get it (the chart's value \
                 rbac.secretNames limits what it may read)"
            ),
        )),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::debug!(namespace, name, %error, cause, "the API server did not hand out a Secret; it is asked again");
            Resolution::Unknown
        }
    }
}

/// The credential that a Secret holds. Its id changes with every change of the Secret, and with its re-creation.
pub fn credential(mut secret: Secret) -> Result<ResolvedCredential, Fault> {
    let id = CredentialId(format!(
        "secret {} {}",
        secret.uid().unwrap_or_default(),
        secret.resource_version().unwrap_or_default()
    ));
    let name = secret.name_any();
    let mut values = secret.data.take().unwrap_or_default();
    let value = |key: &str| values.get(key).map(|ByteString(bytes)| bytes.trim_ascii()).unwrap_or_default();
    // A Secret that is made from a template may have an empty securityToken instead of none.
    let token = Some(value("securityToken")).filter(|token| !token.is_empty());
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
