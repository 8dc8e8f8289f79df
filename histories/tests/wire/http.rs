//! How an answer of the API server gets to the client, or does not: whole, in part, as another one, or never.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, stream, stream::BoxStream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::sleep};

use crate::fault::Fault;
use crate::history::now;
use crate::network::latency;
use crate::server::{Api, failure};

/// How often a watch on which nothing happens says up to where it is.
const BOOKMARK: Duration = Duration::from_secs(7);
/// After this time a part of an answer has left, so that what breaks its connection does not take it back.
const LEFT: Duration = Duration::from_millis(1);

type Part = Result<Frame<Bytes>, io::Error>;
type Answer = Result<Response<StreamBody<BoxStream<'static, Part>>>, io::Error>;

/// Answers a request, or breaks the connection.
pub async fn answer(api: Arc<Mutex<Api>>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut luck = api.lock().expect("one thread").luck(&format!("{} {}", head.method, head.uri.path()));
    sleep(latency(&mut luck)).await;

    let query = head.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let query: HashMap<_, _> = query.collect();
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<u64>().ok());
    let begins = ["namespaces", "clusterbackupwatches"];
    let path: Vec<_> = head.uri.path().split('/').skip_while(|part| !begins.contains(part)).collect();
    let (is_watch, after) = (query.contains_key("watch"), number("resourceVersion").unwrap_or(0));

    let (fault, code, answer) = {
        let mut api = api.lock().expect("one thread");
        let fault = api.strikes(&mut luck, |fault| match fault {
            Fault::Cut | Fault::Hung | Fault::Page | Fault::Status(_) => true,
            Fault::Half | Fault::Stuck => !is_watch,
            _ => false,
        });
        let is_done = match fault {
            None | Some(Fault::Half | Fault::Stuck) => true,
            Some(Fault::Cut | Fault::Hung) => luck.bool(),
            _ => false,
        };
        let (code, answer) = match path.as_slice() {
            _ if !is_done => (0, Value::Null),
            // The API server may say so in the status or in the stream.
            ["clusterbackupwatches"] if is_watch && after < api.compacted => {
                if luck.bool() {
                    failure(410)
                } else {
                    (200, error(410))
                }
            }
            ["clusterbackupwatches"] if is_watch => (200, Value::Null),
            ["clusterbackupwatches"] => {
                let limit = number("limit").and_then(|limit| usize::try_from(limit).ok());
                let page = api.list(limit.unwrap_or(usize::MAX), query.get("continue").copied());
                page.map_or_else(failure, |page| (200, page))
            }
            _ => api.carry_out(&head.method, &path, &body),
        };
        let struck = fault.map(|fault| format!("{fault:?}")).unwrap_or_default();
        api.note(format_args!("{} {}: {code} {struck}", head.method, head.uri));
        if is_watch {
            api.watches.push(now());
        }
        (fault, code, answer)
    };
    match fault {
        Some(Fault::Cut) => Err(io::ErrorKind::ConnectionReset.into()),
        Some(Fault::Hung) => std::future::pending().await,
        Some(Fault::Status(code)) => full(code, failure(code).1.to_string()),
        Some(Fault::Page) => full(200, "<html>\n<h1>Please sign in</h1>\n</html>\n".to_owned()),
        Some(fault) => {
            let mut half = answer.to_string();
            half.truncate(half.len() / 2);
            let rest = stream::once(async move {
                sleep(LEFT).await;
                if fault == Fault::Stuck {
                    std::future::pending::<()>().await;
                }
                Err(io::ErrorKind::ConnectionReset.into())
            });
            respond(code, stream::iter([part(half)]).chain(rest).boxed())
        }
        None if is_watch && answer.is_null() => {
            let until = now() + Duration::from_secs(number("timeoutSeconds").unwrap_or(300));
            let (parts, mut sent) = mpsc::channel(1);
            tokio::spawn(watch(api, after, until, parts));
            respond(200, stream::poll_fn(move |context| sent.poll_recv(context)).boxed())
        }
        None => full(code, answer.to_string()),
    }
}

fn full(code: u16, body: String) -> Answer {
    respond(code, stream::iter([part(body)]).boxed())
}

#[allow(clippy::unnecessary_wraps)] // the type of a body's answer
fn respond(code: u16, parts: BoxStream<'static, Part>) -> Answer {
    Ok(Response::builder().status(code).body(StreamBody::new(parts)).expect("a response"))
}

#[allow(clippy::unnecessary_wraps)] // the type of a body's part
fn part(text: String) -> Part {
    Ok(Frame::data(text.into()))
}

fn error(code: u16) -> Value {
    json!({ "type": "ERROR", "object": failure(code).1 })
}

/// Sends the lines of a watch, up to its end or a fault.
async fn watch(api: Arc<Mutex<Api>>, mut after: u64, until: Duration, parts: mpsc::Sender<Part>) {
    let mut changed = api.lock().expect("one thread").changed.subscribe();
    loop {
        let (line, fault) = {
            let mut api = api.lock().expect("one thread");
            let mut luck = api.luck(&format!("after {after}"));
            let fault = api.strikes(&mut luck, |fault| {
                matches!(fault, Fault::BrokenLine | Fault::EndedLine | Fault::ErrorLine(_) | Fault::Silent)
            });
            let line = api.line(after);
            if let Some(fault) = fault {
                api.note(format_args!("a watch of {after} ends: {fault:?}"));
            } else if let Some((version, _)) = &line {
                api.note(format_args!("a watch of {after} tells of {version}"));
            }
            (line, fault)
        };
        let text = match (fault, line) {
            (Some(Fault::Silent), _) => return parts.closed().await,
            (Some(Fault::ErrorLine(code)), _) => format!("{}\n", error(code)),
            (Some(_), line) => line.map(|(_, text)| text[..text.len() / 2].to_owned()).unwrap_or_default(),
            (None, Some((version, text))) => {
                after = version;
                text
            }
            (None, None) => {
                tokio::select! {
                    biased;
                    _ = changed.changed() => continue,
                    () = parts.closed() => return,
                    () = sleep(until.saturating_sub(now())) => return,
                    () = sleep(BOOKMARK) => {}
                }
                after = api.lock().expect("one thread").store.version;
                let object = json!({
                    "apiVersion": "cce.backupwatch.io/v1alpha1", "kind": "ClusterBackupWatch",
                    "metadata": { "resourceVersion": after.to_string() },
                });
                format!("{}\n", json!({ "type": "BOOKMARK", "object": object }))
            }
        };
        if parts.send(part(text)).await.is_err() {
            return;
        }
        if let Some(fault) = fault {
            sleep(LEFT).await;
            if fault == Fault::BrokenLine {
                // This fails if the client has closed the connection itself.
                let _ = parts.send(Err(io::ErrorKind::ConnectionReset.into())).await;
            }
            return;
        }
    }
}
