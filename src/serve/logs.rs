//! The log: lines on standard error, as text or as JSON.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

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
/// client logs every try of a request that fails, where we log the first.
const QUIET: &str = "kube_runtime=warn,kube_client=off";

/// Starts logging; `filter` is in the syntax of tracing-subscriber's `EnvFilter`, which the caller has checked.
pub fn start(format: LogFormat, filter: &str) {
    let registry = tracing_subscriber::registry().with(EnvFilter::new(format!("{QUIET},{filter}")));
    match format {
        LogFormat::Json => {
            let layer =
                fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
            registry.with(layer.with_writer(std::io::stderr)).init();
        }
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal();
            registry.with(fmt::layer().with_ansi(colour).with_writer(std::io::stderr)).init();
        }
    }
}
