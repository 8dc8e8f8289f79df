//! `--record FILE`: what the cloud answers, a line of JSON for each exchange, without anything that tells whose cluster
//! it is. Takes each exchange from the client of the cloud and appends it; what is disguised and how is left to
//! [`disguise`].

mod disguise;
mod vocabulary;

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use reqwest::header::HeaderMap;

use self::disguise::Disguise;
use super::error::Error;
use crate::cloud::tap::{Exchange, Tap};

/// The headers that say how the cloud works. A gateway sends many more, and some of them name the account.
const HEADERS: [&str; 5] = ["content-type", "content-encoding", "date", "retry-after", "x-request-id"];
/// The most that is shown of what was replaced.
const SHOWN: usize = 50;

/// A recording under way.
pub struct Recorder {
    path: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    file: File,
    disguise: Disguise,
    exchanges: usize,
    /// Why the file cannot be written any more.
    broken: Option<io::Error>,
}

impl Recorder {
    /// Creates the file, which must not be there: what replaces an id is known to the process that made the file, so
    /// another one could not go on with it.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|source| Error::Record { path: path.to_owned(), source })?;
        let inner = Inner { file, disguise: Disguise::new(), exchanges: 0, broken: None };
        Ok(Self { path: path.to_owned(), inner: Arc::new(Mutex::new(inner)) })
    }

    /// What gives each exchange of a client to this recording.
    pub fn tap(&self) -> Tap {
        let inner = self.inner.clone();
        Tap::new(move |exchange| inner.lock().unwrap_or_else(PoisonError::into_inner).append(exchange))
    }

    /// The lines on what was recorded and what was replaced, for the person who runs the command and for nobody else.
    pub fn told(&self) -> Result<Vec<String>, Error> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = inner.broken.take() {
            let why = format!("the recording {} broke off: {source}", self.path.display());
            return Err(Error::Output(io::Error::new(source.kind(), why)));
        }
        let (replaced, count) = inner.disguise.replaced();
        let (exchanges, path) = (inner.exchanges, self.path.display());
        let mut lines =
            vec![format!("{exchanges} exchanges are recorded in {path}; {count} values are replaced")];
        for (original, replacement) in replaced.iter().take(SHOWN) {
            lines.push(format!("  {replacement} stands for {original}"));
        }
        if count > SHOWN {
            lines.push(format!("  and {} more", count - SHOWN));
        }
        Ok(lines)
    }
}

impl Inner {
    fn append(&mut self, exchange: &Exchange<'_>) {
        if self.broken.is_some() {
            return;
        }
        let line = line(exchange, &mut self.disguise);
        // In one write, so that an interrupted command leaves whole lines.
        match self.file.write_all(line.as_bytes()) {
            Ok(()) => self.exchanges += 1,
            Err(error) => self.broken = Some(error),
        }
    }
}

/// One line.
fn line(exchange: &Exchange<'_>, disguise: &mut Disguise) -> String {
    let mut line = format!(
        "{{\"time\":\"{:.3}\",\"call\":\"{:?}\",\"clusterType\":\"{:?}\"",
        exchange.time, exchange.call, exchange.cluster_type
    );
    match &exchange.answer {
        Ok(answer) => {
            line.push_str(",\"status\":");
            line.push_str(&answer.status.to_string());
            headers(answer.headers, disguise, &mut line);
            if !disguise.json(answer.body, &mut line) && !answer.body.is_empty() {
                line.push_str(",\"text\":");
                let text = String::from_utf8_lossy(answer.body);
                disguise::quoted(&disguise.sentence(&text), &mut line);
            }
        }
        // Its message names the endpoint.
        Err(fault) => line.extend([",\"fault\":\"", &fault.kind.to_string(), "\""]),
    }
    line.push_str("}\n");
    line
}

fn headers(headers: &HeaderMap, disguise: &mut Disguise, line: &mut String) {
    line.push_str(",\"headers\":{");
    let mut is_first = true;
    for name in HEADERS {
        let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) else { continue };
        if !std::mem::take(&mut is_first) {
            line.push(',');
        }
        line.extend(["\"", name, "\":"]);
        let value = if name == "x-request-id" { disguise.word(value) } else { value.to_owned() };
        disguise::quoted(&value, line);
    }
    line.push('}');
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::Value;

    use super::*;
    use crate::cloud::{
        fault::{Fault, FaultKind},
        refusal::Call,
        tap::Answered,
        target::ClusterType,
    };

    #[test]
    fn a_recording_that_breaks_off_is_told_and_no_other_file_would_help() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let inner = Inner { file, disguise: Disguise::new(), exchanges: 0, broken: None };
        let recorder = Recorder { path: "f.jsonl".into(), inner: Arc::new(Mutex::new(inner)) };
        let (time, cluster_type) = ("2023-11-25T09:03:46.5Z".parse().unwrap(), ClusterType::Standard);
        let fault = Fault::new(FaultKind::CloudUnavailable, "x");
        let exchange = Exchange { time, call: Call::ListTasks, cluster_type, answer: Err(&fault) };
        recorder.inner.lock().unwrap().append(&exchange);
        let error = recorder.told().unwrap_err();
        assert_eq!(error.exit_code(), 3);
        let said = error.to_string();
        assert!(
            said.contains("the recording f.jsonl broke off") && !said.contains("not there yet"),
            "{said}"
        );
    }

    fn of(disguise: &mut Disguise, answer: Result<Answered<'_>, &Fault>) -> Value {
        let (time, cluster_type) = ("2023-11-25T09:03:46.5Z".parse().unwrap(), ClusterType::Standard);
        let line = line(&Exchange { time, call: Call::ListTasks, cluster_type, answer }, disguise);
        assert!(line.ends_with("}\n") && line.lines().count() == 1, "{line}");
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_line_has_the_time_the_call_the_status_the_headers_that_matter_and_the_body() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("Date", "Sat, 25 Nov 2023 09:03:46 GMT"),
            ("Retry-After", "56.818"),
            ("X-Request-Id", "0123456789abcdef0123456789abcdef"),
            ("Set-Cookie", "canary"),
        ] {
            headers.insert(
                name.parse::<reqwest::header::HeaderName>().unwrap(),
                HeaderValue::from_static(value),
            );
        }
        let mut disguise = Disguise::new();
        let body = br#"{"kind":"List","items":[]}"#;
        let line = of(&mut disguise, Ok(Answered { status: 200, headers: &headers, body }));
        assert_eq!(line["time"], "2023-11-25T09:03:46.500Z");
        assert_eq!((&line["call"], &line["status"]), (&"ListTasks".into(), &200.into()));
        assert_eq!(line["headers"]["retry-after"], "56.818");
        assert_eq!(line["headers"]["date"], "Sat, 25 Nov 2023 09:03:46 GMT");
        assert_eq!(line["body"], serde_json::json!({"kind": "List", "items": []}));
        let text = line.to_string();
        assert!(!text.contains("canary") && !text.contains("0123456789abcdef0123"), "{text}");
    }

    #[test]
    fn what_is_no_json_is_a_text_and_what_is_no_answer_a_fault() {
        let (mut disguise, headers) = (Disguise::new(), HeaderMap::new());
        let body = b"<html>The request of canary-cluster is invalid</html>";
        let line = of(&mut disguise, Ok(Answered { status: 502, headers: &headers, body }));
        let text = line["text"].as_str().unwrap();
        assert!(text.contains("request") && !text.contains("canary"), "{text}");
        let fault = Fault::new(FaultKind::CloudUnavailable, "cannot connect to canary");
        assert_eq!(of(&mut disguise, Err(&fault))["fault"], "CloudUnavailable");
    }
}
