//! The proxy for requests to the cloud, for networks that have no direct route to it.
//!
//! Only `https://` goes through it, as a tunnel (CONNECT), so the proxy sees host names and no content. Plain `http://`
//! never does: that is the metadata service, the agent of pod identity and the simulator, all nearby. The proxy is
//! named by a flag and never taken from `HTTPS_PROXY`. Its URL may hold a password, so nothing here prints it.

use std::{fmt, str::FromStr};

use super::http::HttpError;

/// A proxy's URL as a user wrote it, not parsed yet: clap would print a value that it cannot parse, with its password.
#[derive(Clone)]
pub struct ProxyUrl(String);

impl FromStr for ProxyUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyUrl(..)")
    }
}

/// A proxy, and what is reached without it.
#[derive(Clone)]
pub struct Proxy(reqwest::Proxy);

impl Proxy {
    /// `direct` lists hosts, domains with their subdomains, addresses and ranges that are reached without the proxy.
    pub fn new(url: &ProxyUrl, direct: &[String]) -> Result<Self, HttpError> {
        let parsed = reqwest::Url::parse(&url.0).map_err(|_| HttpError::Proxy)?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(HttpError::Proxy);
        }
        let proxy = reqwest::Proxy::https(parsed).map_err(|_| HttpError::Proxy)?;
        Ok(Self(proxy.no_proxy(reqwest::NoProxy::from_string(&direct.join(",")))))
    }

    pub(super) fn into_inner(self) -> reqwest::Proxy {
        self.0
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_is_refused_without_being_told() {
        for bad in [
            "",
            "proxy:3128",
            "socks5://proxy",
            "http://",
            "http://user:CANARY@",
            "http://user:CANARY@proxy:port",
        ] {
            let refused = Proxy::new(&bad.parse().unwrap(), &[]).unwrap_err();
            let told = format!("{refused} {refused:?}");
            assert!(!told.contains("CANARY") && told.contains("--proxy"), "{told}");
        }
    }

    #[test]
    fn a_proxy_is_never_printed() {
        let url: ProxyUrl = "http://user:CANARY@proxy.example.com:3128".parse().unwrap();
        let proxy = Proxy::new(&url, &["example.com".to_owned()]).unwrap();
        assert_eq!(format!("{url:?} {proxy:?}"), "ProxyUrl(..) Proxy(..)");
    }
}
