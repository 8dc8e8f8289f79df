//! The operator's own identity, for watches that name no credentials. It serves only the namespaces that the operator's
//! flags name: otherwise whoever may create a watch could read with the operator's rights.

use crate::cloud::fault::{Fault, FaultKind};

use super::secrets::{Known, fault};

/// The operator's own identity and whom it serves.
#[derive(Default)]
pub struct OperatorIdentity {
    /// The namespaces served; `*` is all of them.
    pub namespaces: Vec<String>,
}

impl OperatorIdentity {
    /// The credential for a watch in `namespace`.
    #[allow(clippy::unused_async)]
    pub async fn credential(&self, namespace: &str) -> Result<Known, Fault> {
        Err(fault(
            FaultKind::CredentialsNotAllowed,
            format!(
                "the operator's own identity does not serve the namespace {namespace}: name a Secret in spec.credentials"
            ),
        ))
    }
}
