//! Parses durations as Go writes them, such as `1h30m`, and refuses those that no clock can hold.
//!
//! kube's own parser panics at a part that is negative or too large. Such a value can be stored if somebody has changed
//! the definition in the cluster; each decoding of the resource would then panic, and the operator could never start.

use kube::core::Duration;
use serde::{Deserialize, Deserializer, de};

/// The longest text.
pub const MAX_BYTES: usize = 32;
/// What the API server takes for a duration. The digits are enough for a year in any unit, and few enough that a text
/// of [`MAX_BYTES`] is always within the 292 years that CEL can hold: a longer duration would be refused in CEL's
/// words, which say nothing of the limits.
pub const PATTERN: &str =
    r"^([0-9]{1,4}(\.[0-9]+)?h|[0-9]{1,6}(\.[0-9]+)?m|[0-9]{1,8}(\.[0-9]+)?s|[0-9]{1,11}(\.[0-9]+)?ms)+$";
/// The largest number before a unit. As hours it is 11 million years, which a `Duration` still holds.
const MAX_NUMBER: f64 = 1e11;

/// Reads a duration of parts like `1.5h`, `30m`, `10s` and `250ms`, as the schema has it.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, after) = rest.split_at(unit);
        let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !plain || number.parse::<f64>().ok()? > MAX_NUMBER {
            return None;
        }
        rest = after.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    }
    if text.is_empty() || text.len() > MAX_BYTES { None } else { text.parse().ok() }
}

/// The duration as people write it in a spec: `26h`, `1h30m`. Parts of a millisecond are left out.
pub fn text(duration: Duration) -> String {
    let milliseconds = std::time::Duration::from(duration).as_millis();
    let parts = [(3_600_000, u128::MAX, "h"), (60_000, 60, "m"), (1_000, 60, "s"), (1, 1_000, "ms")];
    let counted = parts.map(|(unit, of, name)| (milliseconds / unit % of, name));
    let text = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .fold(String::new(), |text, (count, name)| format!("{text}{count}{name}"));
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Deserializes a duration that must not be null.
pub fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| de::Error::custom("expected a duration such as 1h30m"))
}

/// Deserializes a duration that may be null.
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let read =
        |text: String| parse(&text).ok_or_else(|| de::Error::custom("expected a duration such as 1h30m"));
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, string::string_regex};

    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, milliseconds) in [
            ("10s", 10_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("1m0.5s", 60_500),
            ("8784h", 8_784 * 3_600_000),
        ] {
            let read = parse(text).map(|d| std::time::Duration::from(d).as_millis());
            assert_eq!(read, Some(milliseconds), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_people_write_it() {
        for (written, shown) in [
            ("26h", "26h"),
            ("5400s", "1h30m"),
            ("0.5s", "500ms"),
            ("1h1s", "1h1s"),
            ("8784h", "8784h"),
            ("0s", "0s"),
        ] {
            assert_eq!(text(parse(written).unwrap()), shown);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let huge = "9".repeat(31) + "h";
        let long = "1s".repeat(17);
        for text in
            ["", "5", "s", "-5m", "1s-5s", "+5m", "1e3s", "5d", "NaNs", "infs", "1 s", ".s", &huge, &long]
        {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-+.0-9eE a-zµ]{0,40}", any in any::<String>()) {
            let _ = (parse(&text), parse(&any));
        }

        #[test]
        fn what_the_schema_takes_is_read_and_fits_into_cel(
            text in string_regex(PATTERN.trim_matches(['^', '$'])).unwrap().prop_filter("too long", |t| t.len() <= MAX_BYTES),
        ) {
            let read = parse(&text).map(std::time::Duration::from);
            prop_assert!(read.is_some_and(|read| i64::try_from(read.as_nanos()).is_ok()), "{text}: {read:?}");
        }
    }
}
