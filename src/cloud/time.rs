//! Parses the API's times, which have the form of Go's `time.String()` and not that of RFC 3339.
//!
//! A time that cannot be read is `None`; what its absence means is left to the caller.

use jiff::{Timestamp, civil, tz::Offset};

/// The longest text that is parsed.
const MAX_LEN: usize = 128;

/// The instant that `text` names, or nothing for an unset (`0001-01-01 …`) or unreadable one.
///
/// Reads `2023-11-25 17:03:46.739012 +0800 CST`, with or without fraction, zone name and monotonic suffix
/// (` m=+0.000178016`), and RFC 3339. The numeric offset counts and the zone's name never does, since `CST` alone is
/// ambiguous. Years outside 1970 to 9999 (UTC) count as unset: what is returned is always a valid `date-time` to the
/// Kubernetes API server.
pub fn parse_go_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > MAX_LEN {
        return None;
    }
    let time = go_string(text).or_else(|| text.parse().ok())?;
    (time >= Timestamp::UNIX_EPOCH).then_some(time)
}

fn go_string(text: &str) -> Option<Timestamp> {
    let mut words = text.split(' ');
    let (date, clock, offset) = (words.next()?, words.next()?, words.next()?);
    let mut rest = words.next();
    if rest.is_some_and(is_zone_name) {
        rest = words.next();
    }
    if rest.is_some_and(|word| !is_monotonic(word)) || words.next().is_some() {
        return None;
    }

    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(c, f)| (c, Some(f)));
    let mut clock = clock.split(':');
    let (hour, minute, second) =
        (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    if date.next().is_some() || clock.next().is_some() {
        return None;
    }
    let nanos = fraction.map_or(Some(0), nanoseconds)?;
    let small = |n: i32| i8::try_from(n).ok();
    civil::DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        nanos,
    )
    .ok()
    .and_then(|local| numeric_offset(offset)?.to_timestamp(local).ok())
}

/// Exactly `len` ASCII digits as a number; `len` is at most 9 here, so that it fits.
fn digits(text: &str, len: usize) -> Option<i32> {
    (text.len() == len && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// 1 to 9 digits after the point.
fn nanoseconds(fraction: &str) -> Option<i32> {
    let scale = u32::try_from(9_usize.checked_sub(fraction.len())?).ok()?;
    Some(digits(fraction, fraction.len())? * 10_i32.pow(scale))
}

/// `+0800`, `-0330`.
fn numeric_offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let hhmm = digits(rest, 4)?;
    let (hours, minutes) = (hhmm / 100, hhmm % 100);
    if minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// `CST`, `UTC`, `+08`, `+0530`: ignored, but a word of any other form makes the time unreadable.
fn is_zone_name(word: &str) -> bool {
    (1..=16).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'_' | b'/'))
}

/// `m=+0.000178016`: Go's reading of the monotonic clock, which means nothing outside of the process that printed it.
fn is_monotonic(word: &str) -> bool {
    word.strip_prefix("m=")
        .and_then(|m| m.strip_prefix(['+', '-']))
        .is_some_and(|m| !m.is_empty() && m.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_the_api_may_print_is_read() {
        for (text, utc) in [
            ("2023-11-25 17:03:46.739012 +0800 CST", "2023-11-25T09:03:46.739012Z"),
            ("2023-11-25 17:03:46 +0800 CST", "2023-11-25T09:03:46Z"),
            ("2023-11-25 17:03:46.1 +0800 +08", "2023-11-25T09:03:46.1Z"),
            ("2023-11-25 17:03:46.123456789 +0530 +0530", "2023-11-25T11:33:46.123456789Z"),
            ("2023-11-25 17:03:46.000000001 +0000 UTC", "2023-11-25T17:03:46.000000001Z"),
            ("2023-11-25 17:03:46 -0330 NST", "2023-11-25T20:33:46Z"),
            ("2023-11-25 17:03:46 -0600 CST", "2023-11-25T23:03:46Z"),
            ("2023-11-25 17:03:46.5 +0800 CST m=+0.000178016", "2023-11-25T09:03:46.5Z"),
            ("2023-11-25 17:03:46.5 +0800 CST m=-3599.9", "2023-11-25T09:03:46.5Z"),
            ("2023-11-25 17:03:46 +0800", "2023-11-25T09:03:46Z"),
            ("2023-11-25 17:03:46 +0800 m=+1.5", "2023-11-25T09:03:46Z"),
            ("  2024-02-29 23:59:59 +0000 UTC\n", "2024-02-29T23:59:59Z"),
            ("2023-11-25T17:03:46.739012+08:00", "2023-11-25T09:03:46.739012Z"),
            ("2023-11-25T09:03:46Z", "2023-11-25T09:03:46Z"),
            ("1970-01-01 08:00:00 +0800 CST", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse_go_time(text).map(|t| t.to_string()).as_deref(), Some(utc), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_absent() {
        for text in [
            "",
            " ",
            "67",
            "null",
            "0001-01-01 00:00:00 +0000 UTC",
            "0001-01-01T00:00:00Z",
            "1970-01-01 00:00:00 +0800 CST",
            "1969-12-31 23:59:59 +0000 UTC",
            "9999-12-31 23:59:59 +0000 UTC",
            "10000-01-01 00:00:00 +0000 UTC",
            "-001-01-01 00:00:00 +0000 UTC",
            "2023-11-25",
            "2023-11-25 17:03:46",
            "2023-11-25 17:03:46 CST",
            "2023-11-25 17:03 +0800 CST",
            "2023-02-29 00:00:00 +0000 UTC",
            "2023-13-01 00:00:00 +0000 UTC",
            "2023-11-25 24:00:00 +0000 UTC",
            "2023-11-25 17:03:46. +0800 CST",
            "2023-11-25 17:03:46.1234567890 +0800 CST",
            "2023-11-25 17:03:46.+12 +0800 CST",
            "2023-11-25 17:03:46 +08:00 CST",
            "2023-11-25 17:03:46 +0860 CST",
            "2023-11-25 17:03:46 +9900 CST",
            "2023-11-25 17:03:46 +0800 CST m=",
            "2023-11-25 17:03:46 +0800 CST m=+x",
            "2023-11-25 17:03:46 +0800 CST m=+1 more",
            "2023-1١-25 17:03:46 +0800 CST",
            &"2023-11-25 17:03:46 +0800 CST".repeat(9),
        ] {
            assert_eq!(parse_go_time(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_go_prints_comes_back(
            seconds in 0_i64..253_000_000_000, nanos in 0_i32..1_000_000_000,
            quarter_hours in -48_i32..56, zone in "[A-Z]{3,4}|[+-][0-9]{2}",
        ) {
            let time = Timestamp::new(seconds, nanos).unwrap();
            let offset = Offset::from_seconds(quarter_hours * 900).unwrap();
            let local = offset.to_datetime(time);
            let minutes = quarter_hours.abs() * 15;
            let sign = if quarter_hours < 0 { '-' } else { '+' };
            let text = format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{nanos:09} {sign}{:02}{:02} {zone}",
                local.year(), local.month(), local.day(), local.hour(), local.minute(), local.second(),
                minutes / 60, minutes % 60,
            );
            prop_assert_eq!(parse_go_time(&text), Some(time), "{}", text);
        }

        #[test]
        fn no_text_panics_and_every_time_is_a_date_time(
            text in "(\\PC|[0-9:. +-]){0,40}|[0-9]{4,5}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,10})? [+-][0-9]{4} \\PC{0,5}"
        ) {
            if let Some(time) = parse_go_time(&text) {
                let printed = time.to_string();
                prop_assert!(printed.as_bytes()[4] == b'-' && printed.ends_with('Z'), "{}", printed);
            }
        }
    }
}
