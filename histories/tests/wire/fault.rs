//! What goes wrong on the connections to the API server, and when: a pure function of a seed.

use std::time::Duration;

use fastrand::Rng;

/// One kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection can be made.
    Refused,
    /// The connection is closed between a request and its answer. Whether a write was carried out is drawn.
    Cut,
    /// The connection is closed in the middle of an answer.
    Half,
    /// An answer does not come.
    Hung,
    /// The rest of an answer does not come.
    Stuck,
    /// Every answer has this status.
    Status(u16),
    /// The page of a proxy, with status 200.
    Page,
    /// A watch ends in the middle of a line, because its connection is closed.
    BrokenLine,
    /// A watch ends in the middle of a line, as if that were its end.
    EndedLine,
    /// Nothing more comes on a watch, and its connection stays open.
    Silent,
    /// A watch says in its stream that an error ended it.
    ErrorLine(u16),
    /// Versions are forgotten: what begins at an older one is answered with 410, in the status or in the stream.
    Compacted,
}

const ALL: [Fault; 16] = [
    Fault::Refused,
    Fault::Cut,
    Fault::Half,
    Fault::Hung,
    Fault::Stuck,
    Fault::Status(429),
    Fault::Status(500),
    Fault::Status(503),
    Fault::Status(504),
    Fault::Page,
    Fault::BrokenLine,
    Fault::EndedLine,
    Fault::Silent,
    Fault::ErrorLine(410),
    Fault::ErrorLine(500),
    Fault::Compacted,
];

/// A trouble with its beginning and its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub from: Duration,
    pub to: Duration,
    pub fault: Fault,
    /// Whether all that it can strike is struck, and not half of it.
    pub always: bool,
}

/// The troubles of one history, all of which have ended at `calm`.
pub fn draw(rng: &mut Rng, calm: Duration) -> Vec<Window> {
    let calm = u64::try_from(calm.as_millis()).unwrap_or(u64::MAX);
    let window = |rng: &mut Rng| {
        let from = rng.u64(..calm);
        let to = (from + rng.u64(100..180_000)).min(calm);
        let fault = ALL[rng.usize(..ALL.len())];
        let (from, to) = (Duration::from_millis(from), Duration::from_millis(to));
        Window { from, to, fault, always: rng.bool() }
    };
    (0..rng.usize(1..=6)).map(|_| window(rng)).collect()
}
