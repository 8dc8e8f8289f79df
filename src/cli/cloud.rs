//! The flags that say how the cloud is reached, the same for every command that asks it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::value::duration;
use crate::cloud::region::RegionEndpoint;

/// How the cloud is reached.
#[derive(Debug, Args)]
pub struct CloudArgs {
    /// The address of a region's API instead of Huawei's own, for private clouds and the simulator; may be given more
    /// than once. Plain http:// is accepted only here.
    #[arg(long, env = "CBW_REGION_ENDPOINT", value_name = "REGION=URL", value_delimiter = ',')]
    pub region_endpoint: Vec<RegionEndpoint>,

    /// Certificates (PEM) to trust besides the system's. There is no way to switch certificate checks off.
    #[arg(long, env = "CBW_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// How long a request to the cloud may take, from the connection to the last byte.
    #[arg(long, env = "CBW_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub request_timeout: Duration,
}
