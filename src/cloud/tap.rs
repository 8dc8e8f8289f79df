//! Lets somebody look at each exchange with the cloud, after the credential is overwritten in it and before it is decoded.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use super::{
    fault::Fault,
    http::{Body, Reply},
    refusal::Call,
    target::ClusterType,
};

/// One exchange.
pub struct Exchange<'a> {
    /// When it ended.
    pub time: Timestamp,
    /// What was asked.
    pub call: Call,
    /// Of which of CCE's products.
    pub cluster_type: ClusterType,
    /// What came of it.
    pub answer: Result<Answered<'a>, &'a Fault>,
}

/// An answer.
pub struct Answered<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, as far as it was read.
    pub body: &'a [u8],
}

/// Who looks.
#[derive(Clone)]
pub struct Tap(Arc<dyn Fn(&Exchange<'_>) + Send + Sync>);

impl Tap {
    /// Calls this for each exchange, on the task that made it.
    pub fn new(look: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// Shows a reply.
    pub(super) fn show(&self, call: Call, cluster_type: ClusterType, reply: &Result<Reply, Fault>) {
        let answer = match reply {
            Ok(Reply { status, headers, body, .. }) => match body {
                Body::Whole(body) | Body::TooLarge(body) => Ok(Answered { status: *status, headers, body }),
                Body::Broken(fault) => Err(fault),
            },
            Err(fault) => Err(fault),
        };
        (self.0)(&Exchange { time: Timestamp::now(), call, cluster_type, answer });
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").finish_non_exhaustive()
    }
}
