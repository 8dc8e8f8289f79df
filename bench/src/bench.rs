//! What every scenario runs on: the cloud, the API server, the watches, and the machine below them.

use std::{fs, time::Duration};

use crate::{
    Result,
    api_server::ApiServer,
    cloud::Cloud,
    kernel::Process,
    report::Sample,
    statistics::count,
    watches::{Shape, Watches},
};

/// A bench.
pub struct Bench {
    /// The cloud.
    pub cloud: Cloud,
    /// The API server.
    pub api_server: ApiServer,
    /// The watches.
    pub watches: Watches,
}

impl Bench {
    /// Starts the cloud and prepares the API server; there are no watches yet.
    pub async fn new(latency: Duration, shape: Shape) -> Result<Self> {
        let cloud = Cloud::start(latency).await?;
        let api_server = ApiServer::prepare().await?;
        let watches = Watches::new(&api_server, shape);
        Ok(Self { cloud, api_server, watches })
    }

    /// The CPU time of the API server and etcd so far, in seconds.
    pub fn servers_cpu(&self) -> Result<f64> {
        Ok(self.api_server.process.cpu_seconds()? + self.api_server.etcd.cpu_seconds()?)
    }

    /// Adds the peak memory of each part so far to a sample. The parts may have peaked at different times, so the sum
    /// is an upper bound.
    pub fn peaks(&self, operator: Process, sample: &mut Sample) -> Result<()> {
        let parts = [
            ("etcdPeakBytes", self.api_server.etcd),
            ("apiServerPeakBytes", self.api_server.process),
            ("cloudPeakBytes", Process::own()),
        ];
        let mut everything = operator.status()?.peak;
        for (key, process) in parts {
            let peak = process.status()?.peak;
            sample.insert(key, count(peak));
            everything += peak;
        }
        sample.insert("everythingPeakBytes", count(everything));
        Ok(())
    }
}

/// The processor, its number of cores and how busy they are, which a reader needs to judge a figure of time.
pub fn machine() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("a processor without a name", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!("{cores} cores of {model}, a load of {load} at the start"))
}
