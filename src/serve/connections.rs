//! The connections of the port, and what all of them together may cost. Whoever reaches the port may open connections
//! without end, send half a request and wait, or never read an answer, so every number and every wait has a limit here:
//!
//! - A connection carries one request. So there are no idle ones: kubelet opens one for each probe anyway, and a
//!   scraper opens one for each scrape.
//! - [`CONNECTIONS`] are open at a time. A further one takes the place of the oldest whose request is not whole yet, so a probe
//!   is answered however many silent connections there are: it needs its place for a millisecond.
//! - [`SCRAPES`] answers with metrics are held at a time, because such an answer can have megabytes. A further one takes the
//!   place of the oldest.
//! - The headers must be there after [`HEADERS`], and all is over after [`WHOLE`].
//!
//! What the request is answered with is left to [`super::http`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// Answers with metrics at a time.
const SCRAPES: usize = 4;
/// How long a connection has until the headers of its request are there.
const HEADERS: Duration = Duration::from_secs(10);
/// How long a connection may last.
const WHOLE: Duration = Duration::from_secs(30);
/// The bytes that the headers may have.
const HEADER_BYTES: usize = 16 << 10;
/// The wait after a connection that could not be accepted, as where the process has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection, for the one that answers its request.
pub struct Connection {
    open: Open,
    id: u64,
}

impl Connection {
    /// Says that the answer is one with metrics.
    pub fn scrapes(&self) {
        self.open.lock().begin(self.id, Stage::Scrape);
    }
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its request is not whole yet.
    Waits,
    /// It is being answered.
    Answer,
    /// It is being answered with metrics.
    Scrape,
}

/// The open connections, by their age.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<Table<AbortHandle>>>);

impl Open {
    fn lock(&self) -> MutexGuard<'_, Table<AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`Open`] decides, apart from sockets: `T` ends a connection.
struct Table<T> {
    next: u64,
    rows: BTreeMap<u64, (Stage, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { next: 0, rows: BTreeMap::new() }
    }
}

impl<T: End> Table<T> {
    /// Takes a place for a connection, and ends another one where all places are taken.
    fn open(&mut self, start: impl FnOnce(u64) -> T) {
        if self.rows.len() >= CONNECTIONS {
            self.end_oldest(Stage::Waits)
                .or_else(|| self.end_oldest(Stage::Answer))
                .or_else(|| self.end_oldest(Stage::Scrape));
        }
        let id = self.next;
        self.next += 1;
        self.rows.insert(id, (Stage::Waits, start(id)));
    }

    /// Notes how far a connection is.
    fn begin(&mut self, id: u64, stage: Stage) {
        let scrapes = self.rows.values().filter(|(stage, _)| *stage == Stage::Scrape).count();
        if stage == Stage::Scrape && scrapes >= SCRAPES {
            self.end_oldest(Stage::Scrape);
        }
        if let Some(row) = self.rows.get_mut(&id) {
            row.0 = stage;
        }
    }

    fn closed(&mut self, id: u64) {
        self.rows.remove(&id);
    }

    fn end_oldest(&mut self, of: Stage) -> Option<()> {
        let id = *self.rows.iter().find(|(_, (stage, _))| *stage == of)?.0;
        self.rows.remove(&id).map(|(_, connection)| connection.end())
    }
}

/// Ends a connection.
trait End {
    fn end(self);
}

impl End for AbortHandle {
    fn end(self) {
        self.abort();
    }
}

/// Accepts connections and answers one request on each, for ever.
pub async fn serve<A>(listener: TcpListener, answer: A)
where
    A: Fn(&Request<Incoming>, &Connection) -> Response<String> + Clone + Send + Sync + 'static,
{
    let open = Open::default();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The one who connected is gone again, or the process has no file descriptor left. Neither ends the port.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let spawn = |id| {
            let (connection, answer) = (Connection { open: open.clone(), id }, answer.clone());
            tokio::spawn(async move {
                carry(stream, &connection, answer).await;
            })
            .abort_handle()
        };
        open.lock().open(spawn);
        // An ended connection is closed when its task has its turn. Without this line a flood of new ones would come first.
        tokio::task::yield_now().await;
    }
}

/// Carries one request and its answer.
async fn carry<A, S>(stream: S, connection: &Connection, answer: A)
where
    A: Fn(&Request<Incoming>, &Connection) -> Response<String>,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request| {
        connection.open.lock().begin(connection.id, Stage::Answer);
        std::future::ready(Ok::<_, Infallible>(answer(&request, connection)))
    });
    let carried = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // What a client did wrong is its own business, and a line a connection would be a way to fill the log.
    let _ = tokio::time::timeout(WHOLE, carried).await;
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.lock().closed(self.id);
    }
}

#[cfg(test)]
mod tests;
