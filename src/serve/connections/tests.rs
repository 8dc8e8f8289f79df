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
