//! A reverse proxy between an operator and the API server: a test decides what gets through, and counts it.
//!
//! The operator connects by plain HTTP and authenticates with its bearer token; the proxy connects to the API server by
//! TLS and passes the token on. [`transport`] is the TCP side: it delays every byte and can cut connections or let all
//! of them go silent. [`forward`] is the HTTP side: it counts requests, answers some of them itself, can silence or expire
//! watches alone, can serve a list from an older moment, and can stop in the middle of a list. A request is named by verb and resource, as in `audit`: `create events`,
//! `update clusterbackupwatches/status`, `watch clusterbackupwatches`.

mod answers;
mod forward;
mod transport;
mod watches;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use tokio::{net::TcpListener, sync::watch};

use super::scene::Scene;
use transport::Link;
use watches::Watches;

/// A running proxy. It runs until the end of the test process, and so do connections that went silent.
pub struct ApiProxy {
    /// The URL that takes the place of the API server's own.
    pub server: String,
    link: watch::Sender<Link>,
    http: Arc<Http>,
}

/// The state of the HTTP side, which the test changes while requests are handled.
struct Http {
    client: reqwest::Client,
    /// The URL of the API server, without a slash at the end.
    upstream: String,
    state: Mutex<State>,
    watches: watch::Sender<Watches>,
    /// Whether a list stops after its first page, which then holds a single resource.
    halts_lists: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    counts: BTreeMap<String, usize>,
    faults: BTreeMap<String, Fault>,
    /// The last list that the API server answered with, and whether lists are answered with it.
    list: Option<Recorded>,
    replays: bool,
    /// Of each path, how many expirations its watches have told.
    expired: BTreeMap<String, u32>,
}

/// An answer of the API server.
#[derive(Clone)]
struct Recorded {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// What happens to requests of one kind.
#[derive(Clone, Copy)]
struct Fault {
    effect: Effect,
    /// How many more requests it strikes; `None`: all until it is cleared.
    left: Option<usize>,
    /// How many it has struck.
    struck: usize,
}

/// What happens to a request instead of being forwarded and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The proxy answers with this status code; the API server never sees the request.
    Answer(u16),
    /// The API server carries the request out, and the connection breaks before the operator has the answer.
    LoseReply,
    /// No answer comes, and the API server never sees the request.
    Hang,
}

impl ApiProxy {
    /// Starts a proxy to the scene's API server.
    pub async fn start(scene: &Scene) -> Self {
        let config = scene.cluster.config().await;
        let authorities = config.root_cert.unwrap();
        let authorities = authorities.iter().map(|der| reqwest::Certificate::from_der(der).unwrap());
        let client = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only(authorities)
            .build()
            .unwrap();
        let http = Arc::new(Http {
            client,
            upstream: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            state: Mutex::default(),
            watches: watch::Sender::new(Watches::default()),
            halts_lists: watch::Sender::new(false),
        });
        let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let outer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", outer.local_addr().unwrap());
        let link = watch::Sender::new(Link { open: true, breaks: 0, silent: false });
        tokio::spawn(transport::run(outer, inner.local_addr().unwrap(), link.subscribe()));
        let router = forward::router(http.clone());
        tokio::spawn(async move { axum::serve(inner, router).await });
        Self { server, link, http }
    }

    /// From now on no byte reaches the server, and no connection ends before [`ApiProxy::cut`]. Connections that are
    /// open then or opened before [`ApiProxy::reopen`] never work again.
    pub fn block(&self) {
        self.break_all(true);
    }

    /// From now on every connection breaks off.
    pub fn cut(&self) {
        self.break_all(false);
    }

    /// From now on new connections work.
    pub fn reopen(&self) {
        self.link.send_modify(|link| link.open = true);
    }

    fn break_all(&self, silent: bool) {
        self.link.send_modify(|link| *link = Link { open: false, breaks: link.breaks + 1, silent });
    }

    /// From now on no watch delivers anything: neither those that are open, which stay open and silent until
    /// they expire, nor new ones. Every other request works.
    pub fn silence_watches(&self) {
        self.http.watches.send_modify(|watches| watches.silent = true);
    }

    /// From now on new watches work.
    pub fn restore_watches(&self) {
        self.http.watches.send_modify(|watches| watches.silent = false);
    }

    /// Ends every open watch with a 410, or the next one where none is open, as an API server does that has compacted the
    /// resourceVersion that the watch resumes from.
    pub fn expire_watches(&self) {
        self.http.watches.send_modify(|watches| watches.expired += 1);
    }

    /// From now on every list is answered with the answer to the last one.
    pub fn replay_lists(&self) {
        let mut state = self.http.lock();
        assert!(state.list.is_some(), "there was no list yet");
        state.replays = true;
    }

    /// From now on lists are answered by the API server again.
    pub fn renew_lists(&self) {
        self.http.lock().replays = false;
    }

    /// From now on the first page of a list has a single resource, and the next pages wait for
    /// [`ApiProxy::go_on_with_lists`].
    pub fn halt_lists(&self) {
        self.http.halts_lists.send_replace(true);
    }

    /// From now on lists are as the operator asks for them.
    pub fn go_on_with_lists(&self) {
        self.http.halts_lists.send_replace(false);
    }

    /// Strikes the next `times` requests of one kind, such as `create events`. Replaces an earlier fault of that kind.
    pub fn strike(&self, kind: &str, effect: Effect, times: usize) {
        self.http.lock().faults.insert(kind.to_owned(), Fault { effect, left: Some(times), struck: 0 });
    }

    /// Strikes every request of one kind until [`ApiProxy::heal`].
    pub fn strike_all(&self, kind: &str, effect: Effect) {
        self.http.lock().faults.insert(kind.to_owned(), Fault { effect, left: None, struck: 0 });
    }

    /// How many requests the current fault of one kind has struck.
    pub fn struck(&self, kind: &str) -> usize {
        self.http.lock().faults.get(kind).map_or(0, |fault| fault.struck)
    }

    /// Ends the fault of one kind. Requests that already hang because of it hang for ever.
    pub fn heal(&self, kind: &str) {
        self.http.lock().faults.remove(kind);
    }

    /// How many requests of one kind have reached the proxy, struck or not.
    pub fn requests(&self, kind: &str) -> usize {
        self.http.lock().counts.get(kind).copied().unwrap_or_default()
    }

    /// How many requests of each kind have reached the proxy, struck or not.
    pub fn all_requests(&self) -> BTreeMap<String, usize> {
        self.http.lock().counts.clone()
    }
}

impl Http {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Counts a request, and returns the effect of the fault that strikes it, if one does.
    fn count(&self, kind: String) -> Option<Effect> {
        let mut state = self.lock();
        let fault = state.faults.get_mut(&kind);
        let struck = fault.filter(|fault| fault.left != Some(0)).map(|fault| {
            fault.left = fault.left.map(|left| left - 1);
            fault.struck += 1;
            fault.effect
        });
        *state.counts.entry(kind).or_default() += 1;
        struck
    }
}
