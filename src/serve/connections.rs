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
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::Instant;

    use super::*;

    const REQUEST: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

    /// Notes the id of the connection that was ended.
    struct Note(u64, Rc<RefCell<Vec<u64>>>);

    impl End for Note {
        fn end(self) {
            self.1.borrow_mut().push(self.0);
        }
    }

    fn full() -> (Table<Note>, Rc<RefCell<Vec<u64>>>) {
        let (mut table, ended) = (Table::default(), Rc::new(RefCell::new(Vec::new())));
        for _ in 0..CONNECTIONS {
            table.open(|id| Note(id, ended.clone()));
        }
        (table, ended)
    }

    #[test]
    fn one_too_many_ends_the_oldest_that_has_sent_no_request() {
        let (mut table, ended) = full();
        assert!(ended.borrow().is_empty());
        table.begin(0, Stage::Scrape);
        table.begin(1, Stage::Answer);
        table.open(|id| Note(id, ended.clone()));
        table.closed(5);
        table.open(|id| Note(id, ended.clone()));
        table.open(|id| Note(id, ended.clone()));
        assert_eq!(*ended.borrow(), [2, 3]);
        assert_eq!(table.rows.len(), CONNECTIONS);
    }

    #[test]
    fn where_all_are_being_answered_the_oldest_makes_room() {
        let (mut table, ended) = full();
        (0..64).for_each(|id| table.begin(id, Stage::Answer));
        table.open(|id| Note(id, ended.clone()));
        assert_eq!(*ended.borrow(), [0]);
    }

    #[test]
    fn a_fifth_scrape_takes_the_place_of_the_oldest() {
        let (mut table, ended) = full();
        for id in [9, 3, 5, 7] {
            table.begin(id, Stage::Scrape);
        }
        assert!(ended.borrow().is_empty());
        table.begin(1, Stage::Scrape);
        assert_eq!(*ended.borrow(), [3]);
    }

    /// A client's end of a connection whose answers have `size` bytes, and the moment at which the other end closed it.
    fn connect(size: usize) -> (tokio::io::DuplexStream, tokio::task::JoinHandle<Duration>) {
        let (client, server) = tokio::io::duplex(1024);
        let begun = Instant::now();
        let closed = tokio::spawn(async move {
            let connection = Connection { open: Open::default(), id: 0 };
            carry(server, &connection, |_, _| Response::new("x".repeat(size))).await;
            begun.elapsed()
        });
        (client, closed)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_sends_no_whole_request_is_closed_after_ten_seconds() {
        for part in [&b""[..], b"GET /li", &REQUEST[..REQUEST.len() - 2]] {
            let (mut client, closed) = connect(2);
            client.write_all(part).await.unwrap();
            assert_eq!(closed.await.unwrap().as_secs(), HEADERS.as_secs());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_sends_a_byte_a_second_is_closed_too() {
        let (mut client, closed) = connect(2);
        for byte in REQUEST.chunks(1) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if client.write_all(byte).await.is_err() {
                break;
            }
        }
        assert_eq!(closed.await.unwrap().as_secs(), HEADERS.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_read_the_answer_is_closed_after_thirty_seconds() {
        let (mut client, closed) = connect(1 << 20);
        client.write_all(REQUEST).await.unwrap();
        assert_eq!(closed.await.unwrap().as_secs(), WHOLE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answered_connection_is_closed_at_once() {
        let (mut client, closed) = connect(2);
        client.write_all(REQUEST).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        assert_eq!(closed.await.unwrap().as_secs(), 0);
    }

    /// Six times as many as have a place: all the earlier ones are closed, and a request is answered all the same.
    #[tokio::test]
    async fn a_request_is_answered_beside_a_crowd_of_silent_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, |_, _| Response::new("ok".to_owned())));
        let mut crowd = Vec::new();
        for number in 0..400 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            if number % 2 == 0 {
                stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").await.unwrap();
            }
            crowd.push(stream);
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("ok"), "{answer}");
        for mut ended in crowd.drain(..400 - CONNECTIONS) {
            // Closed, or reset because it had sent what nobody read.
            assert!(matches!(ended.read(&mut [0]).await, Ok(0) | Err(_)));
        }
    }
}
