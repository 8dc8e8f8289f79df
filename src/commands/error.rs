//! Why a command ends without a verdict, and with which exit code: one type for every command, so that a code means the
//! same everywhere.
//!
//! A message never holds text of a file or a credential. Whoever prints one uses [`super::output`]. [`poll`] has the faults of the
//! cloud.

mod poll;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{StatusCode, Url};

use crate::cli::UsageError;
use crate::cloud::{
    client::HttpError,
    fault::Fault,
    region::EndpointError,
    target::{ClusterType, ProjectId},
};
use crate::kubernetes::{self, AccessError};

pub use self::poll::{PollError, told};

/// The exit code of a command that was asked something and has a bad answer: a failed backup, a difference.
pub const BAD: u8 = 1;
/// The exit code of flags or files of flags that cannot be used.
const USAGE: u8 = 2;
/// The exit code of a question that was not answered.
const UNANSWERED: u8 = 3;
/// The exit code of `--timeout`, as that of timeout(1).
const TIMED_OUT: u8 = 124;
/// What a shell adds to the number of the signal that ended a process.
const SIGNALLED: u8 = 128;
/// SIGPIPE
const PIPE: u8 = 13;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flags do not fit together.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The flags `--region-endpoint` do not fit together.
    #[error("--region-endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// The client of the cloud cannot be built.
    #[error("cannot set up requests to the cloud: {0}")]
    Http(#[from] HttpError),
    /// The file of `--template` cannot be used.
    #[error("the template {}: {why}", path.display())]
    Template {
        /// Of `--template`.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no access to a Kubernetes cluster.
    #[error("no access to a Kubernetes cluster (KUBECONFIG, ~/.kube/config or a service account): {0}")]
    Access(#[from] AccessError),
    /// The poll failed, and trying again would not help or was not asked for.
    #[error(transparent)]
    Poll(#[from] PollError),
    /// The cloud refused to start a backup: nothing was started.
    #[error("no backup was started: {}", told(.0))]
    Refused(Fault),
    /// The answer to the request for a backup is lost, and no backup is listed that could be the one.
    #[error(
        "it is not known whether a backup was started: {}; and {found}: look with the command tasks before you start another",
        told(.lost)
    )]
    Unknown {
        /// What became of the answer.
        lost: Fault,
        /// What was found among the tasks.
        found: String,
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
    /// The watches of the cluster were not listed.
    #[error("cannot list the watches of the cluster of the current kubeconfig: {}", refusal(.0))]
    Watches(#[source] kube::Error),
    /// Something could not be done with a watch.
    #[error("cannot {what} the watch {name}: {}", refusal(.source))]
    Watch {
        /// What was tried.
        what: &'static str,
        /// Its namespace and name.
        name: String,
        /// The error of the Kubernetes client.
        source: kube::Error,
    },
    /// The watch does not exist.
    #[error("there is no watch {0}: check its name, --namespace and the current context")]
    NoWatch(String),
    /// A watch says nothing usable about its cluster.
    #[error("the watch {name} cannot be used: {why}")]
    OddWatch {
        /// Its namespace and name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A requested poll brought no answer.
    #[error("{name}: {why}")]
    NotAnswered {
        /// The namespace and name of the watch.
        name: String,
        /// Who did not answer.
        why: String,
    },
    /// The operator ended by itself.
    #[error(transparent)]
    Operator(#[from] crate::operator::Error),
    /// The last try of a probe was answered with another status than a success.
    #[error("{url} answers {status} after {timeout:?}")]
    Status {
        /// What was asked.
        url: Url,
        /// The last answer.
        status: StatusCode,
        /// How long it was asked.
        timeout: Duration,
    },
    /// The last try of a probe was not answered.
    #[error("{url} does not answer within {timeout:?}: check the address, the Service and network policies")]
    NoAnswer {
        /// What was asked.
        url: Url,
        /// How long it was asked.
        timeout: Duration,
    },
    /// What is waited for did not happen in time.
    #[error("timed out after {after}: {state}")]
    TimedOut {
        /// What `--timeout` says.
        after: String,
        /// The backup, or the fault, that was waited on.
        state: String,
    },
    /// Ended by a signal.
    #[error("ended by signal {0}")]
    Signalled(u8),
    /// The result cannot be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
    /// The result cannot be encoded.
    #[error("cannot write the result: {0}")]
    Encode(String),
    /// The file of `--record` cannot be written.
    #[error("cannot record in {}: {source}{}", path.display(), if source.kind() == io::ErrorKind::AlreadyExists {
        ": name a file that is not there yet"
    } else {
        ""
    })]
    Record {
        /// Of `--record`.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The process cannot be set up.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// The exit code that `--help` documents; for a signal 128 and its number, as in a shell.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Operator(_) | Self::Status { .. } | Self::NoAnswer { .. } => BAD,
            Self::Usage(_)
            | Self::Endpoint(_)
            | Self::Template { .. }
            | Self::Record { .. }
            | Self::Http(HttpError::NoCaFile(_) | HttpError::CaFile | HttpError::Proxy) => USAGE,
            Self::TimedOut { .. } => TIMED_OUT,
            Self::Signalled(signal) => SIGNALLED + signal,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => SIGNALLED + PIPE,
            Self::Http(_)
            | Self::Access(_)
            | Self::Poll(_)
            | Self::Refused(_)
            | Self::Unknown { .. }
            | Self::Clusters { .. }
            | Self::Empty(_)
            | Self::NoMatch(_)
            | Self::Manifest { .. }
            | Self::Watches(_)
            | Self::Watch { .. }
            | Self::NoWatch(_)
            | Self::OddWatch { .. }
            | Self::NotAnswered { .. }
            | Self::Output(_)
            | Self::Encode(_)
            | Self::Runtime(_) => UNANSWERED,
        }
    }

    /// Whether the command ends without a message: the user ended it, or the reader of its output did.
    pub fn is_silent(&self) -> bool {
        self.exit_code() >= SIGNALLED
    }
}

/// What the API server said, in one line, and what to do where that is known.
fn refusal(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else { return kubernetes::told(error) };
    match (status.code, status.details.as_ref().is_none_or(|details| details.name.is_empty())) {
        (404, true) => {
            "the API server does not know the kind ClusterBackupWatch: install the CustomResourceDefinition \
                        (cce-backup-watch crd | kubectl apply --server-side --filename -)"
                .to_owned()
        }
        (401, _) => "the API server does not accept the credentials of the current kubeconfig: sign in again"
            .to_owned(),
        _ => kubernetes::told(error),
    }
}

/// The advice for a region that may not have this product.
fn hint(cluster_type: ClusterType) -> &'static str {
    match cluster_type {
        ClusterType::Standard => "",
        ClusterType::Autopilot => " (where there is no Autopilot, say --cluster-type Standard)",
    }
}
