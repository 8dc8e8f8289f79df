//! The cloud: the simulator with a latency, behind TLS.

use std::{path::PathBuf, sync::Arc, time::Duration};

use cce_simulator::{Config, Simulator, Task};
use jiff::{Timestamp, ToSpan};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{
    Result,
    made_up::{ACCESS_KEY, SECRET_KEY, folder},
};

/// A running cloud.
pub struct Cloud {
    /// The simulator, by which the bench sets tasks and faults and counts polls.
    pub simulator: Simulator,
    /// The URL of its TLS endpoint.
    pub url: String,
    /// The certificate to trust, in PEM.
    pub ca_file: PathBuf,
    /// The time from which the times of finished backups are counted back. It is fixed, so that a list that is set
    /// again is the same.
    epoch: Timestamp,
}

impl Cloud {
    /// Starts it.
    pub async fn start(latency: Duration) -> Result<Self> {
        let simulator = Simulator::start(Config::with_key(ACCESS_KEY, SECRET_KEY)).await?;
        simulator.set_latency(latency);
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
        let config =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key)?;
        let ca_file = folder()?.join("cloud.pem");
        std::fs::write(&ca_file, cert.pem())?;

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://{}", listener.local_addr()?);
        let (acceptor, address) = (TlsAcceptor::from(Arc::new(config)), simulator.address());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                // An error needs no handling here: the operator sees that the connection failed.
                tokio::spawn(async move {
                    client.set_nodelay(true)?;
                    let mut client = acceptor.accept(client).await?;
                    let mut server = TcpStream::connect(address).await?;
                    server.set_nodelay(true)?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Ok(Self { simulator, url, ca_file, epoch: Timestamp::now() })
    }

    /// Lists so many finished backups for a cluster, one a day. Another generation gives them other ids, so that they
    /// are new to an operator.
    pub fn set_finished(&self, cluster: &str, generation: usize, finished: usize) {
        self.simulator.set_tasks(cluster, self.finished(cluster, generation, finished));
    }

    /// Lists a backup that began just now before the finished ones.
    pub fn set_backup(&self, cluster: &str, generation: usize, finished: usize, newest: Task) {
        let mut tasks = vec![newest];
        tasks.extend(self.finished(cluster, generation, finished));
        self.simulator.set_tasks(cluster, tasks);
    }

    /// The requests so far.
    pub fn polls(&self) -> u64 {
        let total = self.simulator.total();
        total.accepted + total.refused
    }

    /// How many clusters were polled since the counts were reset.
    pub fn polled_clusters(&self) -> usize {
        self.simulator.counts_by_cluster().len()
    }

    fn finished(&self, cluster: &str, generation: usize, finished: usize) -> Vec<Task> {
        let ends = (1..=finished).scan(self.epoch, |end, _| {
            *end -= 24.hours();
            Some(*end)
        });
        let task = |(number, end): (usize, Timestamp)| {
            let task = Task::new(format!("{cluster}-{generation}-{number}"), "Success").progress(100);
            task.created(end - 3.minutes()).updated(end).completed(end)
        };
        ends.enumerate().map(task).collect()
    }
}
