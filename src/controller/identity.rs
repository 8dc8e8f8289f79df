//! Which credential a watch may use. The operator's own identity serves only the namespaces that its flags name: otherwise
//! whoever may create a watch could read with the operator's rights.

use crate::api::ClusterBackupWatchSpec;
use crate::cloud::{
    fault::{Fault, FaultKind},
    target::Region,
};
use crate::poll::Source;

/// The source of a watch's credential; `served` are the namespaces of the operator's own identity, `*` is all of them.
pub fn source(
    spec: &ClusterBackupWatchSpec,
    region: &Region,
    namespace: &str,
    served: &[String],
) -> Result<Source, Fault> {
    if let Some(credentials) = &spec.credentials {
        let name = credentials.secret_ref.name.clone();
        return Ok(Source::Secret { namespace: namespace.to_owned(), name });
    }
    if served.iter().any(|served| served == "*" || served == namespace) {
        return Ok(Source::Operator(region.clone()));
    }
    Err(Fault::new(
        FaultKind::CredentialsNotAllowed,
        "the operator's own identity does not serve this namespace: name a Secret in spec.credentials.secretRef, or have \
         the namespace added to --operator-credentials-namespace",
    ))
}
