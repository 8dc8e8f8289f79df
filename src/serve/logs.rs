//! The log: lines on standard error, as text or as JSON.

use clap::ValueEnum;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{
        self, FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{Format, Json, JsonFields, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::stderr::Lines;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// What is hidden unless the filter names it. kube's span around each reconcile repeats what our lines say, and its
/// client logs every try of a request that fails, where we log the first. The check of certificates logs each refusal, which
/// our fault tells in plain words.
const QUIET: &str = "kube_runtime=warn,kube_client=off,rustls_platform_verifier=off";

/// Starts logging; `filter` is in the syntax of tracing-subscriber's `EnvFilter`, which the caller has checked.
pub fn start(format: LogFormat, filter: &str) {
    let registry = tracing_subscriber::registry().with(filtered(filter));
    match format {
        LogFormat::Json => registry.with(json(|| Lines)).init(),
        LogFormat::Text => {
            // No colours: on the way to a terminal they could not be told from escape sequences of others.
            registry.with(fmt::layer().with_ansi(false).with_writer(|| Lines)).init();
        }
    }
}

fn filtered(filter: &str) -> EnvFilter {
    EnvFilter::new(format!("{QUIET},{filter}"))
}

fn json<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    let format = fmt::format().json().flatten_event(true).with_current_span(false).with_span_list(false);
    fmt::layer().event_format(WithoutPaths(format)).fmt_fields(JsonFields::new()).with_writer(writer)
}

/// JSON lines without the fields `log.file`, `log.line` and their like, which libraries that log by the crate `log` bring
/// along: they name paths of the machine that built this program. Lines as text never have them.
struct WithoutPaths(Format<Json>);

impl<S, N> FormatEvent<S, N> for WithoutPaths
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let is_path = |name: &str| name.starts_with("log.");
        if !event.fields().any(|field| is_path(field.name())) {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let mut fields: Map<String, Value> = serde_json::from_str(&line).map_err(|_| std::fmt::Error)?;
        fields.retain(|name, _| !is_path(name));
        writeln!(writer, "{}", Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_libraries_log_by_themselves_is_hidden_unless_the_filter_names_it() {
        let logged = |filter| {
            let lines = Lines::default();
            let writer = lines.clone();
            let subscriber =
                tracing_subscriber::registry().with(filtered(filter)).with(json(move || writer.clone()));
            tracing::subscriber::with_default(subscriber, || {
                tracing::error!(target: "rustls_platform_verifier::verification", "failed to verify: CANARY");
                tracing::warn!(target: "kube_client::client", "failed with CANARY");
                tracing::info!("our own");
            });
            String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
        };
        let usual = logged("info");
        assert!(usual.contains("our own") && !usual.contains("CANARY"), "{usual}");
        assert!(logged("info,rustls_platform_verifier=debug").contains("failed to verify: CANARY"));
    }

    #[test]
    fn no_line_names_a_path_of_the_machine_that_built_it() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::registry().with(json(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(
                log.target = "lib",
                log.file = "/root/.cargo/lib.rs",
                log.line = 7,
                "of a library"
            );
            tracing::warn!(watch = "prod/main", "our own");
        });
        let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["message"], &lines[0]["level"]), (&"of a library".into(), &"WARN".into()));
        assert!(lines[0].as_object().unwrap().keys().all(|name| !name.starts_with("log.")), "{lines:?}");
        assert_eq!((&lines[1]["message"], &lines[1]["watch"]), (&"our own".into(), &"prod/main".into()));
    }
}
