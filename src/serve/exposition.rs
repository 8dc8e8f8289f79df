//! The two formats of the metrics, and which of them a scraper asks for. The registry writes OpenMetrics; the text format
//! 0.0.4, which everything else reads, is made of it.

use hyper::HeaderMap;
use hyper::header::ACCEPT;
use memchr::memmem;

/// A format of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// The text format 0.0.4.
    Text,
}

impl Format {
    /// What goes into the header Content-Type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The format that a scraper prefers. One that names neither, or wants what is not served, gets the text format, which
    /// older agents and people with curl can read.
    pub fn asked(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best = (0.0, Self::Text);
        for range in accepted.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let format = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" => Self::Text,
                _ => continue,
            };
            let mut weight: f64 = 1.0;
            for (key, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
                match (key.trim().to_ascii_lowercase().as_str(), format) {
                    ("q", _) => weight = value.trim().parse().unwrap_or(0.0),
                    // A scraper that knows another version only cannot read this one.
                    ("version", Self::OpenMetrics) if !value.trim().trim_matches('"').starts_with("1.") => {
                        weight = 0.0;
                    }
                    _ => {}
                }
            }
            if weight > best.0 {
                best = (weight, format);
            }
        }
        best.1
    }
}

/// The text format 0.0.4 of a text in OpenMetrics. Samples are the same in both, and nearly all there is.
pub fn text(open_metrics: &str) -> String {
    let (mut out, mut rest, mut help) = (String::with_capacity(open_metrics.len()), open_metrics, None);
    while !rest.is_empty() {
        let samples = if rest.starts_with('#') {
            0
        } else {
            memmem::find(rest.as_bytes(), b"\n#").map_or(rest.len(), |at| at + 1)
        };
        let (samples, after) = rest.split_at(samples);
        out.push_str(samples);
        let (line, after) = after.split_once('\n').unwrap_or((after, ""));
        rest = after;
        let words = |kind: &str| line.strip_prefix(kind).and_then(|rest| rest.split_once(' '));
        if let Some(found) = words("# HELP ") {
            help = Some(found);
        } else if let Some((name, kind)) = words("# TYPE ") {
            // OpenMetrics names a family, and this format the series: a counter's end in _total.
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take().filter(|(of, _)| *of == name) {
                out.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            out.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        }
        // Every other line with a # is a unit or the end, neither of which this format has.
    }
    out
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn asked(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        Format::asked(&headers)
    }

    #[test]
    fn a_scraper_gets_the_format_that_it_prefers() {
        use Format::{OpenMetrics, Text};
        assert_eq!(Format::asked(&HeaderMap::new()), Text);
        for (accept, format) in [
            ("*/*", Text),
            ("text/html", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", OpenMetrics),
            // Prometheus 2, Prometheus 3, one that is told to use the old format, and Telegraf.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                OpenMetrics,
            ),
            ("text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5", Text),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3",
                Text,
            ),
            ("application/openmetrics-text;version=0.0.1", Text),
            ("application/openmetrics-text;q=0", Text),
            ("application/openmetrics-text;q=none", Text),
            (";;,,;q=", Text),
        ] {
            assert_eq!(asked(accept), format, "{accept}");
        }
    }

    #[test]
    fn the_old_format_names_series_and_has_neither_units_nor_an_end() {
        let open = "# HELP a_seconds How long it took.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
            a_seconds_sum 0.5\na_seconds_count 1\na_seconds_bucket{le=\"+Inf\"} 1\n\
            # HELP b Requests.\n# TYPE b counter\nb_total{code=\"# TYPE\"} 3\n\
            # HELP build The build.\n# TYPE build info\nbuild_info{version=\"1\"} 1\n# TYPE c unknown\nc 1\n# EOF\n";
        assert_eq!(
            text(open),
            "# HELP a_seconds How long it took.\n# TYPE a_seconds histogram\n\
            a_seconds_sum 0.5\na_seconds_count 1\na_seconds_bucket{le=\"+Inf\"} 1\n\
            # HELP b_total Requests.\n# TYPE b_total counter\nb_total{code=\"# TYPE\"} 3\n\
            # HELP build_info The build.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n# TYPE c untyped\nc 1\n"
        );
    }
}
