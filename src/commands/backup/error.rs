//! Why `cce-backup-watch backup` ends without a verdict, and with which exit code.

use crate::cloud::fault::Fault;
use crate::commands::tasks::{
    error::Error as TasksError,
    poll::{PollError, told},
};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// As for the command `tasks`: the flags, a poll, the output.
    #[error(transparent)]
    Tasks(#[from] TasksError),
    /// The cloud refused: nothing was started.
    #[error("no backup was started: {}", told(.0))]
    Refused(Fault),
    /// The answer to the request is lost, and no backup is listed that could be the one.
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
}

impl From<PollError> for Error {
    fn from(error: PollError) -> Self {
        Self::Tasks(error.into())
    }
}

impl Error {
    /// The exit code that `--help` documents.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Tasks(error) => error.exit_code(),
            Self::Refused(_) | Self::Unknown { .. } => 3,
        }
    }

    /// Whether the command ends without a message: the user ended it, or the reader of its output did.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Tasks(error) if error.is_silent())
    }
}
