//! The agency of the ECS that the operator runs on: its metadata service hands out a temporary credential.

use std::time::Duration;

use reqwest::header::HeaderValue;

use super::{
    Fetched,
    issued::{Issuer, read, sensitive, successful},
};
use crate::cloud::{
    fault::{Fault, Program},
    http::{Reply, exchange},
};

/// Where every ECS finds it: a link-local address that never leaves the host.
pub(super) const URL: &str = "http://169.254.169.254";
/// On another platform nobody answers at all, and waiting longer would not change that.
const TIMEOUT: Duration = Duration::from_secs(3);
const WHOM: &str = "the metadata service";
const OPERATOR: &str = "give the node an agency, or choose another source with --operator-credentials";
const COMMAND: &str = "give the node an agency, or choose another source with --credentials";

pub(super) async fn fetch(http: &reqwest::Client, base: &str, program: Program) -> Result<Fetched, Fault> {
    let issuer = Issuer { whom: WHOM, program, advice: program.either(OPERATOR, COMMAND) };
    let mut reply = security_key(http, base, issuer).await?;
    // The metadata token may have expired between its request and this one.
    if reply.status == 401 {
        reply = security_key(http, base, issuer).await?;
    }
    read(reply, issuer)
}

async fn security_key(http: &reqwest::Client, base: &str, issuer: Issuer) -> Result<Reply, Fault> {
    let mut request = http.get(format!("{base}/openstack/latest/securitykey")).timeout(TIMEOUT);
    if let Some(token) = token(http, base, issuer).await? {
        request = request.header("x-metadata-token", token);
    }
    exchange(request, WHOM).await
}

/// The token that newer metadata services ask for; `None` from older ones, which have no tokens.
async fn token(http: &reqwest::Client, base: &str, issuer: Issuer) -> Result<Option<HeaderValue>, Fault> {
    let request = http
        .put(format!("{base}/meta-data/latest/api/token"))
        .header("x-metadata-token-ttl-seconds", "21600")
        .timeout(TIMEOUT);
    let reply = exchange(request, WHOM).await?;
    if matches!(reply.status, 404 | 405 | 503) {
        return Ok(None);
    }
    let body = successful(reply, issuer)?;
    sensitive(String::from_utf8_lossy(&body).trim(), WHOM).map(Some)
}
