//! The running simulator: where it listens, what it serves, and its end.

use std::{net::SocketAddr, ops::Deref, sync::Arc};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    credential::Credential,
    scenario::Scenario,
    server::{
        self,
        wire::{Door, Peer},
    },
    state::State,
};

/// How a simulator starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; a random loopback port by default.
    pub listen: SocketAddr,
    /// Who may sign; nobody by default.
    pub credentials: Vec<Credential>,
    /// What it plays; nothing by default, so that every cluster is unknown.
    pub scenario: Scenario,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 0).into(), credentials: Vec::new(), scenario: Scenario::default() }
    }
}

impl Config {
    /// A random loopback port and one pair of keys.
    pub fn with_key(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self { credentials: vec![Credential::new(access_key, secret_key)], ..Self::default() }
    }
}

/// Why a simulator cannot start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}")]
pub struct StartError {
    listen: SocketAddr,
    source: std::io::Error,
}

/// A running simulator, steered by the methods of [`State`]. Dropping it ends it and every connection to it.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
    /// Dropping it ends every connection.
    _stop: watch::Sender<()>,
}

impl Simulator {
    /// Listens, and serves in the runtime of the caller.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let failed = |source| StartError { listen: config.listen, source };
        let tcp = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        let state = Arc::new(State::new(config.scenario));
        for credential in config.credentials {
            state.lock().credentials.put(credential);
        }
        let (stop, stopped) = watch::channel(());
        let router = server::router(state.clone()).into_make_service_with_connect_info::<Peer>();
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(Door { tcp, stop: stopped }, router).await {
                tracing::error!(%error, "the server ended");
            }
        });
        Ok(Self { address, state, server, _stop: stop })
    }

    /// `http://` and where it listens, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A running simulator is steered by what it answers from.
impl Deref for Simulator {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}
