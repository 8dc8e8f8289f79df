//! Lists the clusters of each project. An incomplete answer ends the command, because the clusters that it lacks would
//! be taken for deleted ones.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::listed::ListedCluster;
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

/// The clusters of all projects.
pub struct Listed {
    /// Those that were read, each once, in the order of their ids.
    pub found: Vec<ListedCluster>,
    /// Those that are there and were not read, with the names that a person knows.
    pub left_out: BTreeMap<ClusterId, String>,
}

/// Lists the clusters of all projects, and says which of them were not read.
pub async fn list(args: &DiscoverArgs, projects: &[ProjectId]) -> Result<Listed, Error> {
    let config = client_config(&args.cloud)?;
    let mut credentials = Credentials::new(&args.credential, &args.region, &config).await?;
    let client = Client::new(config)?;
    let types =
        args.cluster_type.map_or(vec![ClusterType::Standard, ClusterType::Autopilot], |one| vec![one]);

    let mut all: BTreeMap<ClusterId, ListedCluster> = BTreeMap::new();
    let mut left_out = BTreeMap::new();
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
            let clusters = clusters.map_err(PollError::from).map_err(failed)?;
            left_out.extend(clusters.left_out.into_iter().map(|cluster| {
                let name = cluster.name.unwrap_or_else(|| "without a name".to_owned());
                (cluster.uid, name)
            }));
            for cluster in clusters.clusters {
                // Autopilot comes last, so a cluster that both products list counts as an Autopilot one.
                if args.cluster_type.is_none_or(|wanted| wanted == cluster.cluster_type) {
                    all.insert(cluster.uid.clone(), ListedCluster { project: project.clone(), cluster });
                }
            }
        }
        if all.len() == before && left_out.is_empty() {
            if args.existing.is_some() && !args.allow_empty {
                return Err(Error::Empty(project.clone()));
            }
            note(format_args!("the project {project} lists no clusters"));
        }
    }
    if !left_out.is_empty() {
        note(format_args!(
            "{} clusters are left out, because each takes more than 1 MiB of the list:",
            left_out.len()
        ));
        for (id, name) in &left_out {
            note(format_args!("  {name} ({id})"));
        }
    }
    Ok(Listed { found: all.into_values().collect(), left_out })
}
