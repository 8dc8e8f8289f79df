//! Reads one field of a JSON object that may lack it, or have it with another type or form.
//!
//! A field that cannot be read counts as absent. [`super::wire`] knows which fields there are.

use std::sync::Once;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{text::clean, time::parse_go_time};

/// A field that is an object.
pub(super) fn object<'a>(parent: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    parent.get(key)?.as_object()
}

/// A string that is not empty.
pub(super) fn text<'a>(parent: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    parent.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// A string that is not empty, cleaned and cut to `max` characters.
pub(super) fn word(parent: &Map<String, Value>, key: &str, max: usize) -> Option<String> {
    text(parent, key).map(|text| clean(text, max))
}

/// A time as the API prints it. Only the first unreadable one is logged: one form of time is used everywhere, so all
/// others would be unreadable too.
pub(super) fn time(parent: &Map<String, Value>, key: &str) -> Option<Timestamp> {
    static LOGGED: Once = Once::new();
    let text = text(parent, key)?;
    let time = parse_go_time(text);
    if time.is_none() && !text.starts_with("0001-01-01") {
        LOGGED.call_once(|| {
            tracing::warn!(
                field = key,
                text = clean(text, 64),
                "the cloud sent a time in an unknown form; it counts as absent, and so will others, without a line in the log"
            );
        });
    }
    time
}

/// Whole percent from a number or a string: white space and one trailing `%` allowed, decimals cut, nothing outside
/// 0 to 100.
pub(super) fn progress(value: &Value) -> Option<u8> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let text = text.trim();
    let text = text.strip_suffix('%').map_or(text, str::trim_end);
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // A sign is not a digit, so -0.5 is refused here, although it would be cut to 0.
    (digits(whole) && digits(decimals)).then(|| whole.parse().ok())?.filter(|percent| *percent <= 100)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_is_a_whole_percentage_or_absent() {
        for (value, percent) in [
            (json!("67"), Some(67)),
            (json!(67), Some(67)),
            (json!(67.9), Some(67)),
            (json!("67.9"), Some(67)),
            (json!("67%"), Some(67)),
            (json!(" 67 % "), Some(67)),
            (json!("0"), Some(0)),
            (json!("007"), Some(7)),
            (json!(100), Some(100)),
            (json!("100.0"), Some(100)),
            (json!(-1), None),
            (json!("-0.5"), None),
            (json!(101), None),
            (json!("256"), None),
            (json!(1e300), None),
            (json!("NaN"), None),
            (json!("67%%"), None),
            (json!("%"), None),
            (json!(""), None),
            (json!("6 7"), None),
            (json!("+6"), None),
            (json!("6."), None),
            (json!("٦"), None),
            (json!(null), None),
            (json!([67]), None),
            (json!(true), None),
        ] {
            assert_eq!(progress(&value), percent, "{value}");
        }
    }
}
