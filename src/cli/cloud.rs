//! The flags that say how the cloud is reached, the same for every command that asks it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::value::duration;
use crate::cloud::{
    http::HttpError,
    proxy::{Proxy, ProxyUrl},
    region::RegionEndpoint,
};

/// How the cloud is reached.
#[derive(Debug, Args)]
pub struct CloudArgs {
    /// The address of a region's API instead of Huawei's own, for private clouds and the simulator; may be given more
    /// than once. Plain http:// is accepted only here.
    #[arg(long, env = "CBW_REGION_ENDPOINT", value_name = "REGION=URL", value_delimiter = ',')]
    pub region_endpoint: Vec<RegionEndpoint>,

    /// Certificates (PEM) to trust besides the system's; the file is read again when it changes. There is no way to switch
    /// certificate checks off.
    #[arg(long, env = "CBW_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// A proxy on the way to the cloud, such as `http://proxy.example.com:3128`. It is used for https:// alone, and never taken
    /// from `HTTPS_PROXY`. A user and password may stand in the URL; give that in the environment, not as an argument.
    #[arg(long, env = "CBW_PROXY", value_name = "URL", hide_env_values = true)]
    pub proxy: Option<ProxyUrl>,

    /// A host, domain (with its subdomains), address or range to reach without the proxy; may be given more than once.
    #[arg(long, env = "CBW_NO_PROXY", value_name = "HOST", value_delimiter = ',')]
    pub no_proxy: Vec<String>,

    /// How long a request to the cloud may take, from the connection to the last byte.
    #[arg(long, env = "CBW_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub request_timeout: Duration,
}

impl CloudArgs {
    /// The proxy to use, if any.
    pub fn proxy(&self) -> Result<Option<Proxy>, HttpError> {
        self.proxy.as_ref().map(|url| Proxy::new(url, &self.no_proxy)).transpose()
    }
}
