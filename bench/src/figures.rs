//! The figures of a run, as a table or as JSON.

use std::fmt::Write as _;

use serde::Serialize;

/// What was measured.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// How many watches there were.
    pub watches: usize,
    /// The size of the binary.
    pub binary_bytes: u64,
    /// Resident memory without a watch.
    pub idle_bytes: u64,
    /// The slope of the resident memory between 100 watches and all of them.
    pub bytes_per_watch: f64,
    /// From the start of the process until the last watch had a phase.
    pub seconds_until_all_have_a_phase: f64,
    /// How many polls the next figures are about.
    pub polls: u64,
    /// In user and kernel mode.
    pub cpu_seconds_per_1000_polls: f64,
    /// Of the operator alone.
    pub api_server_requests_per_1000_polls: f64,
    /// From the time a poll was due until it was sent; absent where the operator does not export it.
    pub poll_delay_p50_seconds: Option<f64>,
    /// See [`Figures::poll_delay_p50_seconds`].
    pub poll_delay_p99_seconds: Option<f64>,
}

impl Figures {
    /// A Markdown table.
    pub fn table(&self) -> String {
        let delay =
            |seconds: Option<f64>| seconds.map_or_else(|| "–".to_owned(), |s| format!("{:.0}", s * 1e3));
        let rows = [
            ("CPU s per 1,000 unchanged polls", format!("{:.2}", self.cpu_seconds_per_1000_polls)),
            ("bytes of memory per watch", format!("{:.0}", self.bytes_per_watch)),
            ("idle memory, MiB", mebibytes(self.idle_bytes)),
            ("start until all have a phase, s", format!("{:.1}", self.seconds_until_all_have_a_phase)),
            ("binary, MiB", mebibytes(self.binary_bytes)),
            (
                "API-server requests per 1,000 unchanged polls",
                format!("{:.1}", self.api_server_requests_per_1000_polls),
            ),
            ("poll delay p50, ms", delay(self.poll_delay_p50_seconds)),
            ("poll delay p99, ms", delay(self.poll_delay_p99_seconds)),
        ];
        let mut table = format!("| figure | {} watches, {} polls |\n|---|---:|\n", self.watches, self.polls);
        for (figure, value) in rows {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "| {figure} | {value} |");
        }
        table
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", ratio(bytes, 1 << 20))
}

/// A quotient of counts that are far below 2^52, so that no digit is lost.
#[allow(clippy::cast_precision_loss)]
pub fn ratio(counted: u64, by: usize) -> f64 {
    counted as f64 / by as f64
}
