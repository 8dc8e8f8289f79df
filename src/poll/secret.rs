//! Reads a credential from a Secret: with `get` alone, never with a list or a watch. When to read is left to
//! [`super::engine`].

use super::Resolution;
use crate::cloud::{
    credentials::secret::credential,
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
