//! Judges the operator's log: each warning or error must be one that the churn explains. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::check::Finding;

const POLL: &str = "poll failed";

/// Every line that the churn explains: its message, its reason or else its error, and the cause.
const EXPLAINED: [(&str, &str, &str); 8] = [
    (POLL, "AuthenticationFailed", "a key was rotated, and ended before the operator read the new one"),
    (POLL, "PermissionDenied", "the cloud answers 403 for some clusters"),
    (POLL, "ClusterNotFound", "the cloud answers 404 for some clusters"),
    (POLL, "RequestRejected", "the cloud answers 400 for some clusters"),
    (POLL, "Throttled", "the cloud answers 429 for some clusters, which is for all of their account"),
    (POLL, "CloudUnavailable", "the cloud answers 500 and 503, resets connections or does not answer"),
    (POLL, "InvalidResponse", "the cloud sends pages, redirects, garbage, and too much of everything"),
    (
        "cannot reconcile; it is tried again, ever more rarely",
        "the resource was changed by somebody else at the same time",
        "a watch was edited and asked for a poll while its status was written, three times in a row",
    ),
];

/// A finding for each kind of warning or error, with the number of such lines. A kind that the churn explains holds.
pub fn judge(log: &str) -> Vec<Finding> {
    let mut kinds: BTreeMap<(String, String), (usize, &str)> = BTreeMap::new();
    for line in log.lines().filter(|line| is_warning(line)) {
        kinds.entry(kind(line)).or_insert((0, line)).0 += 1;
    }
    if kinds.is_empty() {
        return vec![Finding { text: "no warning in the log".to_owned(), holds: true }];
    }
    let finding = |((message, reason), (times, example)): ((String, String), (usize, &str))| {
        let known = EXPLAINED.iter().find(|(known, why, _)| *known == message && *why == reason);
        let text = match known {
            Some((_, _, cause)) => format!("{times} times \"{message}\" {reason}: {cause}"),
            None => format!("{times} times without an explanation: {example}"),
        };
        Finding { text, holds: known.is_some() }
    };
    kinds.into_iter().map(finding).collect()
}

/// The message of a line, and its reason or else its error; the whole line if it is no JSON.
fn kind(line: &str) -> (String, String) {
    let Ok(parsed) = serde_json::from_str::<Value>(line) else { return (line.to_owned(), String::new()) };
    let field = |name: &str| parsed[name].as_str().map(str::to_owned);
    (field("message").unwrap_or_default(), field("reason").or_else(|| field("error")).unwrap_or_default())
}

/// Whether a line is a warning or an error. A line that is no JSON is one, too: it comes from a panic or a library.
fn is_warning(line: &str) -> bool {
    match serde_json::from_str::<Value>(line) {
        Ok(line) => !matches!(line["level"].as_str(), Some("INFO" | "DEBUG" | "TRACE")),
        Err(_) => !line.trim().is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_information_has_no_warning() {
        let findings = judge("{\"level\":\"INFO\",\"message\":\"started\"}\n\n");
        assert_eq!(findings, [Finding { text: "no warning in the log".to_owned(), holds: true }]);
    }

    #[test]
    fn what_the_churn_explains_holds_and_is_counted() {
        let line = "{\"level\":\"WARN\",\"message\":\"poll failed\",\"reason\":\"Throttled\"}\n";
        let findings = judge(&line.repeat(3));
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0].holds && findings[0].text.starts_with("3 times \"poll failed\" Throttled"),
            "{findings:?}"
        );
        let other = judge(&line.replace("Throttled", "ClockSkew"));
        assert!(!other[0].holds, "nothing sets the clock: {other:?}");
        let refused = "{\"level\":\"ERROR\",\"message\":\"cannot reconcile; it is tried again, ever more rarely\",\"error\":\"forbidden\"}";
        assert!(!judge(refused)[0].holds, "only a conflict is explained");
    }

    #[test]
    fn an_unknown_warning_and_a_panic_are_told_whole() {
        let log = "{\"level\":\"WARN\",\"message\":\"nobody knows this\"}\nthread 'main' panicked at src/a.rs:1:1:\n";
        let findings = judge(log);
        assert!(findings.iter().all(|finding| !finding.holds));
        assert!(
            findings[0].text.contains("nobody knows this") && findings[1].text.contains("panicked"),
            "{findings:?}"
        );
    }
}
