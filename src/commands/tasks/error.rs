//! Why `cce-backup-watch tasks` ends without a verdict, and with which exit code.

use std::io;

use super::poll::PollError;
use crate::cli::UsageError;
use crate::cloud::{client::HttpError, region::EndpointError};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The flags do not fit together.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// The flags `--region-endpoint` do not fit together.
    #[error("--region-endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// The file of `--ca-file` cannot be read.
    #[error("cannot read the file of --ca-file: {0}")]
    CaFile(#[source] io::Error),
    /// The client of the cloud cannot be built.
    #[error("cannot set up requests to the cloud: {0}")]
    Http(#[from] HttpError),
    /// There is no access to the cluster that holds the Secret.
    #[error(
        "cannot find access to a Kubernetes cluster to read the Secret (KUBECONFIG, ~/.kube/config or a service account): {0}"
    )]
    Access(#[source] kube::Error),
    /// The poll failed, and trying again would not help or was not asked for.
    #[error(transparent)]
    Poll(#[from] PollError),
    /// The newest backup was not finished in time.
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
    /// The result cannot be written as YAML or JSON.
    #[error("cannot write the result: {0}")]
    Encode(String),
    /// The process cannot be set up.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
}

impl Error {
    /// The exit code as documented; for a signal 128 and its number, as in a shell.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::Endpoint(_)
            | Self::CaFile(_)
            | Self::Http(HttpError::CaFile | HttpError::Proxy) => 2,
            Self::TimedOut { .. } => 124,
            Self::Signalled(signal) => 128 + signal,
            // SIGPIPE
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 128 + 13,
            Self::Http(_)
            | Self::Access(_)
            | Self::Poll(_)
            | Self::Output(_)
            | Self::Encode(_)
            | Self::Runtime(_) => 3,
        }
    }

    /// Whether the command ends without a message: the user ended it, or the reader of its output did.
    pub fn is_silent(&self) -> bool {
        matches!(self.exit_code(), 128..)
    }
}
