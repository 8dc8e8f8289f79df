//! Why `cce-backup-watch discover` ends without a result, and with which exit code.

use std::path::PathBuf;

use crate::cli::UsageError;
use crate::cloud::target::{ClusterType, ProjectId};
use crate::commands::tasks::{error::Error as TasksError, poll::PollError};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// As for the command `tasks`: the flags, the credential, the output.
    #[error(transparent)]
    Tasks(#[from] TasksError),
    /// The file of `--template` cannot be used.
    #[error("the template {}: {why}", path.display())]
    Template {
        /// Of `--template`.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The clusters of a project were not listed.
    #[error("cannot list the {cluster_type:?} clusters of the project {project}: {source}{}", hint(*cluster_type))]
    Clusters {
        /// The project.
        project: ProjectId,
        /// The product that was asked for.
        cluster_type: ClusterType,
        /// Why.
        source: Box<PollError>,
    },
    /// A project lists no clusters, which `--existing` allows only with `--allow-empty`.
    #[error(
        "the project {0} lists no clusters: check region and project, or say --allow-empty if it is really empty"
    )]
    Empty(ProjectId),
    /// No cluster matches the filters, which `--existing` allows only with `--allow-empty`.
    #[error(
        "none of the {0} clusters matches the filters: check --name, --phase and --tag, or say --allow-empty if there \
         really is none"
    )]
    NoMatch(usize),
    /// Manifests cannot be read.
    #[error("cannot read the manifests of --existing: {place}: {why}")]
    Manifest {
        /// The file, or standard input.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no access to a cluster.
    #[error(
        "cannot find access to a Kubernetes cluster (KUBECONFIG, ~/.kube/config or a service account): {0}"
    )]
    Access(#[source] kube::Error),
    /// The watches of the cluster were not listed.
    #[error("cannot list the watches of the cluster of the current kubeconfig: {0}")]
    Watches(#[source] kube::Error),
    /// The manifests cannot be written.
    #[error("cannot write the result: {0}")]
    Encode(String),
}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Tasks(error.into())
    }
}

/// The advice for a region that may not have this product.
fn hint(cluster_type: ClusterType) -> &'static str {
    match cluster_type {
        ClusterType::Standard => "",
        ClusterType::Autopilot => " (where there is no Autopilot, say --cluster-type Standard)",
    }
}

impl Error {
    /// The exit code that `--help` documents.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Tasks(error) => error.exit_code(),
            Self::Template { .. } => 2,
            _ => 3,
        }
    }

    /// Whether the command ends without a message: the user ended it, or the reader of its output did.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Tasks(error) if error.is_silent())
    }
}
