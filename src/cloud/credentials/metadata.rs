//! The agency of the ECS that the operator runs on: its metadata service hands out a temporary credential.

use std::time::Duration;

use reqwest::header::HeaderValue;

use super::{
    Fetched,
    issued::{read, sensitive, successful},
};
use crate::cloud::{
    fault::Fault,
    http::{MAX_SHORT_BODY, Reply, exchange},
};

/// Where every ECS finds it: a link-local address that never leaves the host.
pub(super) const URL: &str = "http://169.254.169.254";
/// On another platform nobody answers at all, and waiting longer would not change that.
const TIMEOUT: Duration = Duration::from_secs(3);
const WHOM: &str = "the metadata service";
const ADVICE: &str = "give the node an agency, or choose another source with --operator-credentials";

pub(super) async fn fetch(http: &reqwest::Client, base: &str) -> Result<Fetched, Fault> {
    let mut reply = security_key(http, base).await?;
    // The metadata token may have expired between its request and this one.
    if reply.status == 401 {
        reply = security_key(http, base).await?;
    }
    read(reply, WHOM, ADVICE)
}

async fn security_key(http: &reqwest::Client, base: &str) -> Result<Reply, Fault> {
    let mut request = http.get(format!("{base}/openstack/latest/securitykey")).timeout(TIMEOUT);
    if let Some(token) = token(http, base).await? {
        request = request.header("x-metadata-token", token);
    }
    exchange(request, WHOM, MAX_SHORT_BODY).await
}

/// The token that newer metadata services ask for; `None` from older ones, which have no tokens.
async fn token(http: &reqwest::Client, base: &str) -> Result<Option<HeaderValue>, Fault> {
    let request = http
        .put(format!("{base}/meta-data/latest/api/token"))
        .header("x-metadata-token-ttl-seconds", "21600")
        .timeout(TIMEOUT);
    let reply = exchange(request, WHOM, MAX_SHORT_BODY).await?;
    if matches!(reply.status, 404 | 405 | 503) {
        return Ok(None);
    }
    let body = successful(reply, WHOM, ADVICE)?;
    sensitive(String::from_utf8_lossy(&body).trim(), WHOM).map(Some)
}
