//! The flags of `cce-backup-watch probe`.

use std::time::Duration;

use clap::Args;

use super::value::duration;

/// The flags of the probe.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// What to ask for, such as `http://cce-backup-watch.cce-backup-watch.svc:8080/readyz`; plain http:// only.
    #[arg(value_name = "URL", value_parser = url)]
    pub url: reqwest::Url,

    /// How long to go on asking until the answer is good.
    #[arg(long, env = "CBW_PROBE_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
}

fn url(text: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    if url.scheme() == "http" && url.has_host() {
        Ok(url)
    } else {
        Err("write it as http://HOST:PORT/PATH".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_is_asked() {
        assert!(url("http://operator.system.svc:8080/readyz").is_ok());
        for bad in ["https://operator/readyz", "file:///etc/passwd", "operator:8080", "http://", ""] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
