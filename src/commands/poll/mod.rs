//! `cce-backup-watch poll`: asks the operator to poll a watch now, waits for the answer, and says how the backup stands.
//!
//! ```text
//! args → request     the annotation requestedAt, with a value of this process's own          (Kubernetes)
//!      → judge       whether that very request was answered, and whether the backup is good  (pure)
//!      → the verdict in one line; or who did not answer
//! ```
//!
//! A verdict on record proves nothing about now: it stays as it was when the operator is gone.

pub mod judge;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use tokio::time::{Instant, sleep, timeout_at};

use self::judge::{PollResult, Progress, Request, outcome, progress};
use crate::cli::poll::PollArgs;
use crate::commands::{
    error::{BAD, Error},
    moment::{Now, seconds, written},
    output::{note, result, shown},
    status::{
        operator::{self, State},
        show::Row,
    },
    watch::{self, Watch},
};
use crate::kubernetes;

/// The time between two looks at the watch. The first answers come within a second.
const LOOK: Duration = Duration::from_millis(500);
/// With `--newer-than`: the time between two requests while a backup runs, and what the last one has at least for its answer. An
/// operator that ends in the meantime is noticed by the next.
const AGAIN: Duration = Duration::from_secs(20);
/// From when on silence of the API server is told, and no longer what was seen before it.
const SILENCE: Duration = Duration::from_secs(3);

/// By how much clocks may differ before it is told.
const CLOCKS: SignedDuration = SignedDuration::from_mins(1);

/// Runs the command, and returns its exit code.
pub async fn run(args: &PollArgs) -> Result<u8, Error> {
    let client = kubernetes::client().await.map_err(Error::Access)?;
    let (watch, outcome) = Asking::new(args, client).outcome(args.newer_than).await?;
    let (row, now) = (Row::of(&watch), now(&watch));
    if now.duration_since(Timestamp::now()) > CLOCKS {
        note(format_args!(
            "the clock of this host is behind the API server's, where it is {}: ages are measured by the API server's",
            seconds(now)
        ));
    }
    result(&format!("{}\n", shown(&row.line(&Now::at(now)))))?;
    if outcome == PollResult::Passed {
        return Ok(0);
    }
    if let Some(limit) = args.newer_than {
        note(format_args!("{}: no backup succeeded within the last {}", watch.full_name(), written(limit)));
    }
    Ok(BAD)
}

/// The time by which an answered watch is judged. Its answer was written a moment ago, and a clock of this host that is behind the API
/// server's would make an old backup a young one.
fn now(answered: &Watch) -> Timestamp {
    let machine = Timestamp::now();
    answered.written_at().map_or(machine, |written| written.max(machine))
}

/// One watch that is asked about.
struct Asking {
    client: Client,
    namespace: String,
    name: String,
    full_name: String,
    deadline: Instant,
    /// What `--timeout` says.
    timeout: Duration,
    /// What was said last, so that it is said once.
    said: Option<String>,
}

impl Asking {
    fn new(args: &PollArgs, client: Client) -> Self {
        let namespace =
            args.watch.namespace(args.namespace.as_deref(), client.default_namespace()).to_owned();
        Self {
            full_name: format!("{namespace}/{}", args.watch.name),
            client,
            namespace,
            name: args.watch.name.clone(),
            deadline: Instant::now() + args.timeout,
            timeout: args.timeout,
            said: None,
        }
    }

    /// Asks until the watch is answered and, with a limit, no backup runs any more that may become a success within it.
    async fn outcome(&mut self, newer_than: Option<Duration>) -> Result<(Watch, PollResult), Error> {
        loop {
            let (watch, progress) = self.asked().await?;
            if progress != Progress::Answered {
                return Err(self.unanswered(progress).await);
            }
            let outcome = outcome(&watch, newer_than, now(&watch));
            if outcome != PollResult::Running || Instant::now() + 2 * AGAIN >= self.deadline {
                return Ok((watch, outcome));
            }
            self.say(format!("{}: waiting for the end of the backup that runs", self.full_name));
            sleep(AGAIN).await;
        }
    }

    /// Asks for a poll, and waits until it is answered, cannot be answered, or the time is up.
    async fn asked(&mut self) -> Result<(Watch, Progress), Error> {
        let watch = self.look().await?;
        if watch.spec.suspend {
            // A request that waits for the end of the suspension would surprise whoever ends it.
            return Ok((watch, Progress::Suspended));
        }
        let before = watch.status.last_handled_reconcile_at.clone();
        let request = Request { value: Timestamp::now().to_string(), before };
        let patch = || watch::request_poll(&self.client, &self.namespace, &self.name, &request.value);
        self.answered("ask for a poll of", patch).await?;
        let mut seen = (watch, Progress::NotTaken);
        loop {
            let is_final = matches!(seen.1, Progress::Answered | Progress::Fault(_) | Progress::Suspended);
            if is_final || Instant::now() + LOOK >= self.deadline {
                return Ok(seen);
            }
            if let Progress::NoAnswer(why) = &seen.1 {
                self.say(format!("{}: the cloud has not answered yet: {why}", self.full_name));
            }
            sleep(LOOK).await;
            let begun = Instant::now();
            seen = match self.look().await {
                Ok(watch) => {
                    let progress = progress(&watch, &request);
                    (watch, progress)
                }
                // The end of the time cut this look short, so the one before is told.
                Err(Error::NotAnswered { .. }) if begun.elapsed() < SILENCE => return Ok(seen),
                Err(error) => return Err(error),
            };
        }
    }

    /// The watch as it is now.
    async fn look(&self) -> Result<Watch, Error> {
        let found = self.answered("read", || watch::get(&self.client, &self.namespace, &self.name)).await?;
        found.ok_or_else(|| Error::NoWatch(self.full_name.clone()))
    }

    /// What the API server answers to a request that may be repeated. An error that may pass is not the end before the time is up.
    async fn answered<T, F>(&self, what: &'static str, request: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        loop {
            let error = match self.within(request()).await? {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passes = |code| code >= 500 || matches!(code, 409 | 429);
            let is_lasting = matches!(&error, kube::Error::Api(status) if !passes(status.code));
            if is_lasting || Instant::now() + LOOK >= self.deadline {
                return Err(Error::Watch { what, name: self.full_name.clone(), source: error });
            }
            sleep(LOOK).await;
        }
    }

    /// The answer of the API server, which has no longer than the whole command.
    async fn within<T>(&self, answer: impl Future<Output = T>) -> Result<T, Error> {
        timeout_at(self.deadline, answer).await.map_err(|_| Error::NotAnswered {
            name: self.full_name.clone(),
            why: format!("the API server did not answer within {}", written(self.timeout)),
        })
    }

    /// Says who did not answer.
    async fn unanswered(&self, progress: Progress) -> Error {
        let timeout = written(self.timeout);
        let why = match progress {
            Progress::Suspended => format!(
                "the watch is suspended, so nobody polls it; to resume: kubectl patch clusterbackupwatch {} --namespace {} \
                 --type=merge --patch '{{\"spec\":{{\"suspend\":false}}}}'",
                self.name, self.namespace
            ),
            Progress::Fault(why) => format!("the watch does not see its cluster: {why}"),
            Progress::NoAnswer(why) => format!("the cloud did not answer within {timeout}: {why}"),
            Progress::NotTaken | Progress::Answered => {
                let operator = operator::look(&self.client, None, &Now::of_machine()).await;
                let told = operator.message;
                match operator.state {
                    State::Alive => format!(
                        "no operator answered within {timeout}, although one is alive ({told}): does it watch this namespace \
                         and these labels? Where its queue is long, wait longer with --timeout"
                    ),
                    State::Away => format!("no operator answered within {timeout}: it is away: {told}"),
                    State::Unknown => format!(
                        "no operator answered within {timeout}, and whether one is alive this command cannot tell: {told}"
                    ),
                }
            }
        };
        Error::NotAnswered { name: self.full_name.clone(), why }
    }

    fn say(&mut self, text: String) {
        if self.said.as_ref() != Some(&text) {
            note(&text);
            self.said = Some(text);
        }
    }
}
