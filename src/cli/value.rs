//! Reads the values of flags that clap knows no type for; each error says what is allowed.

use std::time::Duration;

use tracing_subscriber::EnvFilter;

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = crate::api::duration::parse(text).ok_or_else(|| unread(text))?;
    let zero = kube::core::Duration::from(Duration::ZERO);
    if parsed > zero { Ok(parsed.into()) } else { Err("must be above 0s".to_owned()) }
}

/// What is wrong with a text that is no duration. Days are the unit that people miss.
fn unread(text: &str) -> String {
    let days = text.trim().strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    match days.and_then(|days| days.checked_mul(24)) {
        Some(hours) => format!("the units are h, m, s and ms: write it as {hours}h"),
        None => "write it as 26h, 1m30s or 15s".to_owned(),
    }
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("must be a decimal above 0, such as 5 or 0.5".to_owned()),
    }
}

/// What a switch is set to in the environment.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Ok(true),
        "false" | "no" | "off" | "0" | "n" | "f" => Ok(false),
        _ => Err("must be one of true, yes, on, 1, false, no, off, 0".to_owned()),
    }
}

/// Whether a namespace can have this name.
pub fn is_namespace(name: &str) -> bool {
    name.len() <= 63 && !name.contains('.') && is_object_name(name)
}

pub(super) fn namespace(text: &str) -> Result<String, String> {
    let name = text.trim();
    if is_namespace(name) {
        Ok(name.to_owned())
    } else {
        Err("a namespace is 1 to 63 lower-case letters, digits and inner hyphens".to_owned())
    }
}

/// A namespace, or `*` for all.
pub(super) fn namespace_or_all(text: &str) -> Result<String, String> {
    if text.trim() == "*" { Ok("*".to_owned()) } else { namespace(text) }
}

pub(super) fn object_name(text: &str) -> Result<String, String> {
    if is_object_name(text) {
        Ok(text.to_owned())
    } else {
        Err("a name is lower-case letters, digits, and hyphens and dots between them".to_owned())
    }
}

/// The name of a ring, or of a shard: an object's name that is also a valid label value.
pub(super) fn ring(text: &str) -> Result<String, String> {
    if is_object_name(text) && text.len() <= 63 {
        Ok(text.to_owned())
    } else {
        Err("must be the name of a ControllerRing: at most 63 of a-z, 0-9, - and .".to_owned())
    }
}

/// Whether Kubernetes accepts this as an object's name. Such a name cannot change the path of a request.
pub(super) fn is_object_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    text.len() <= 253 && text.bytes().all(inner) && ends(text.chars().next()) && ends(text.chars().last())
}

/// A label selector, in the syntax of kubectl. One that the API server refuses would leave the operator without a list of
/// watches, and never ready.
pub(super) fn selector(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || requirements(text).into_iter().all(|one| is_requirement(one.trim())) {
        Ok(text.to_owned())
    } else {
        Err("write it as kubectl does, such as team=platform,tier in (a, b),!old".to_owned())
    }
}

/// The parts between commas that are not in parentheses.
fn requirements(text: &str) -> Vec<&str> {
    let mut is_inside = false;
    text.split(|c| {
        is_inside = (is_inside || c == '(') && c != ')';
        c == ',' && !is_inside
    })
    .collect()
}

fn is_requirement(text: &str) -> bool {
    let is_name = |text: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        text.len() <= 63 && text.chars().all(inner) && ends(text.chars().next()) && ends(text.chars().last())
    };
    let is_key = |text: &str| match text.split_once('/') {
        Some((prefix, name)) => is_object_name(prefix) && is_name(name),
        None => is_name(text),
    };
    let is_value = |text: &str| text.is_empty() || is_name(text);
    if let Some((key, value)) =
        text.split_once("!=").or_else(|| text.split_once("==")).or_else(|| text.split_once('='))
    {
        return is_key(key.trim()) && is_value(value.trim());
    }
    if let Some((key, number)) = text.split_once(['<', '>']) {
        return is_key(key.trim()) && number.trim().parse::<i64>().is_ok();
    }
    if let Some((words, set)) = text.split_once('(') {
        let words: Vec<_> = words.split_whitespace().collect();
        let is_set =
            set.strip_suffix(')').is_some_and(|set| set.split(',').all(|value| is_value(value.trim())));
        return is_set && matches!(words[..], [key, "in" | "notin"] if is_key(key));
    }
    is_key(text.strip_prefix('!').unwrap_or(text).trim())
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_what_the_api_server_takes() {
        for good in ["a=b", "a==b,c!=d", "a", "!a", "example.com/a in (b, c),d notin (e)", "a=", "a>1", ""] {
            assert_eq!(selector(good), Ok(good.to_owned()));
        }
        for bad in [
            "a b",
            "a in b",
            "team in platform",
            "=b",
            "a=b c",
            "a=b,",
            "a in (b",
            "A.B/c",
            "a/b/c",
            "-a",
            "a>x",
        ] {
            assert!(selector(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_any_decimal_above_zero() {
        assert_eq!([rate("5"), rate("0.1")], [Ok(5.0), Ok(0.1)]);
        for bad in ["0", "-1", "NaN", "inf", "five", ""] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_ring_has_a_name_that_fits_a_label() {
        assert_eq!(ring("hub-1.eu"), Ok("hub-1.eu".to_owned()));
        for bad in ["", "Hub", "hub/1", "-hub", "hub-", "a=b", &"a".repeat(64)] {
            assert!(ring(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_duration_is_above_zero_and_has_a_unit() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for bad in ["0s", "15", "-1s", "soon", ""] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        let said = |text| duration(text).unwrap_err();
        assert_eq!(said("1d"), "the units are h, m, s and ms: write it as 24h");
        assert_eq!(said("7d"), "the units are h, m, s and ms: write it as 168h");
        for text in ["soon", "4294967295d", "-1d", "15", "d"] {
            assert_eq!(said(text), "write it as 26h, 1m30s or 15s", "{text}");
        }
    }
}
