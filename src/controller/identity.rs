//! The operator's own identity, for watches that name no credentials. It serves only the namespaces that the operator's
//! flags name: otherwise whoever may create a watch could read with the operator's rights. For anybody else no request
//! leaves, not even one for a credential.

use std::sync::Arc;

use jiff::Timestamp;

use super::secrets::ResolvedCredential;
use crate::cloud::{
    credential::CredentialId,
    fault::{Fault, FaultKind},
    source,
};

/// The operator's own identity and whom it serves.
pub struct OperatorIdentity {
    source: source::OperatorIdentity,
    namespaces: Vec<String>,
}

impl OperatorIdentity {
    /// Serves `namespaces`; `*` is all of them.
    pub fn new(source: source::OperatorIdentity, namespaces: Vec<String>) -> Self {
        Self { source, namespaces }
    }

    /// The credential for a watch in `namespace`.
    pub async fn credential(&self, namespace: &str) -> Result<ResolvedCredential, Fault> {
        if !self.namespaces.iter().any(|served| served == "*" || served == namespace) {
            return Err(Fault::new(
                FaultKind::CredentialsNotAllowed,
                "the operator's own identity does not serve this namespace: name a Secret in \
                 spec.credentials.secretRef, or have the namespace added to --operator-credentials-namespace",
            ));
        }
        let (credential, identity) = self.source.credential(Timestamp::now()).await?;
        Ok((Arc::new(credential), identity))
    }

    /// The cloud refused the credential: a temporary one may have been revoked, so it is fetched anew.
    pub fn refused(&self, identity: &CredentialId) {
        self.source.refused(identity, Timestamp::now());
    }
}
