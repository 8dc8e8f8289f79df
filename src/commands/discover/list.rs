//! Lists the clusters of each project. An incomplete answer ends the command, because the clusters that it lacks would
//! be taken for deleted ones.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::found::Found;
use crate::cli::discover::DiscoverArgs;
use crate::cloud::{
    client::Client,
    target::{ClusterId, ClusterType, ProjectId},
};
use crate::commands::{
    error::{Error, PollError},
    output::note,
    tasks::{credentials::Credentials, poll::client_config},
};

/// The clusters of all projects, each once, in the order of their ids.
pub async fn list(args: &DiscoverArgs, projects: &[ProjectId]) -> Result<Vec<Found>, Error> {
    let config = client_config(&args.cloud)?;
    let mut credentials = Credentials::new(&args.credential, &args.region, &config).await?;
    let client = Client::new(config)?;
    let types =
        args.cluster_type.map_or(vec![ClusterType::Standard, ClusterType::Autopilot], |one| vec![one]);

    let mut all: BTreeMap<ClusterId, Found> = BTreeMap::new();
    for project in projects {
        let before = all.len();
        for cluster_type in &types {
            let failed = |error| Error::Clusters {
                project: project.clone(),
                cluster_type: *cluster_type,
                source: Box::new(error),
            };
            let credential = credentials.get().await.map_err(failed)?;
            let now = Timestamp::now();
            let clusters = client.list_clusters(&args.region, project, *cluster_type, &credential, now).await;
            for cluster in clusters.map_err(PollError::from).map_err(failed)? {
                // Autopilot comes last, so a cluster that both products list counts as an Autopilot one.
                if args.cluster_type.is_none_or(|wanted| wanted == cluster.cluster_type) {
                    all.insert(cluster.uid.clone(), Found { project: project.clone(), cluster });
                }
            }
        }
        if all.len() == before {
            if args.existing.is_some() && !args.allow_empty {
                return Err(Error::Empty(project.clone()));
            }
            note(format_args!("the project {project} lists no clusters"));
        }
    }
    Ok(all.into_values().collect())
}
