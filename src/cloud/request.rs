//! Builds the signed request of any call to CCE. No I/O: sending it is left to [`super::http`].

use jiff::Timestamp;
use reqwest::{
    Method, RequestBuilder, Url,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderValue},
};

use super::{
    credentials::Credential,
    fault::{Fault, FaultKind},
    sign::{Request, sign},
    target::ProjectId,
};

/// A request without a body for `path` at the endpoint `base`, signed as of `now`.
pub(super) fn signed(
    http: &reqwest::Client,
    method: Method,
    (base, path): (&str, &str),
    project: &ProjectId,
    credential: &Credential,
    now: Timestamp,
) -> Result<RequestBuilder, Fault> {
    let url = Url::parse(&format!("{base}{path}")).map_err(|_| {
        Fault::new(
            FaultKind::RequestRejected,
            "the endpoint of the region is no URL: check --region-endpoint",
        )
    })?;
    let host = host_and_port(&url);
    let signed = sign(
        &Request {
            method: method.as_str(),
            host: &host,
            path: url.path(),
            query: &[],
            headers: &[("x-project-id", project.as_str())],
            body: &[],
        },
        credential,
        now,
    );
    let mut request = http
        .request(method, url)
        .header(HOST, host)
        .header("x-project-id", project.as_str())
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT_ENCODING, "identity");
    for (name, value) in signed {
        // The HTTP stack does not print sensitive values. A credential is visible ASCII, so the conversion cannot fail.
        let Ok(mut value) = HeaderValue::try_from(value) else { continue };
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    Ok(request)
}

/// The value of the Host header, which leaves out the scheme's default port.
fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_host_is_the_one_that_is_sent() {
        for (url, host) in [
            ("https://cce.cn-north-4.myhuaweicloud.com/x", "cce.cn-north-4.myhuaweicloud.com"),
            ("https://h:443/x", "h"),
            ("http://h:80/x", "h"),
            ("https://h:80/x", "h:80"),
            ("http://127.0.0.1:18443/x", "127.0.0.1:18443"),
            ("http://[::1]:1/x", "[::1]:1"),
        ] {
            assert_eq!(host_and_port(&Url::parse(url).unwrap()), host);
        }
    }
}
