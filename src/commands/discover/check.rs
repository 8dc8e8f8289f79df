//! Tries clusters with the key that their watches will use, so that a watch that would be blind is known before it is applied.

use jiff::Timestamp;

use super::listed::ListedCluster;
use crate::cli::{
    CredentialArgs,
    credentials::{CredentialSource, SecretName},
    discover::DiscoverArgs,
};
use crate::cloud::{client::Client, fault::FaultKind, target::Target};
use crate::commands::{
    error::{Error, PollError},
    output::note,
    tasks::{credentials::Credentials, poll::client_config},
};

/// Asks for the tasks of each cluster, one after the other, and names those that give none. Returns whether all did.
///
/// A key that is refused ends the check: five refusals lock a key for everybody who uses it. So does an account that is throttled.
pub async fn all_answer(
    args: &DiscoverArgs,
    secret: SecretName,
    clusters: &[(&str, &ListedCluster)],
) -> Result<bool, Error> {
    let config = client_config(&args.cloud)?;
    let key = CredentialArgs { credentials: CredentialSource::default(), secret: Some(secret.clone()) };
    let mut credentials = Credentials::new(&key, &args.region, &config).await?;
    let client = Client::new(config)?;
    let (mut answered, mut blind) = (0, 0);
    for (name, found) in clusters {
        let credential = credentials.get().await?;
        let target = Target {
            region: args.region.clone(),
            project_id: found.project.clone(),
            cluster_id: found.cluster.uid.clone(),
            cluster_type: found.cluster.cluster_type,
        };
        let Err(fault) = client.list_tasks(&target, &credential, Timestamp::now()).await else {
            answered += 1;
            continue;
        };
        blind += 1;
        let kind = fault.kind;
        note(format_args!("{name} would be blind ({kind}): {}", PollError::from(fault)));
        if matches!(kind, FaultKind::AuthenticationFailed | FaultKind::Throttled | FaultKind::ClockSkew) {
            note("the others are not tried, because that is the same for them");
            break;
        }
    }
    let all = clusters.len();
    note(format_args!("{answered} of {all} clusters answer to the key of the Secret {secret}"));
    Ok(blind == 0)
}
