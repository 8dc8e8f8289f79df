//! Writes times as the service does: Go's `time.String()` in China Standard Time.

use jiff::{Timestamp, tz};

/// `2023-11-25 17:03:46.739012 +0800 CST`: the fraction has no trailing zeros and is absent when zero.
pub fn go_time(time: Timestamp) -> String {
    let local = tz::offset(8).to_datetime(time);
    let mut text = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let fraction = format!("{:09}", local.subsec_nanosecond());
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text.push_str(" +0800 CST");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_the_api_pages_sample() {
        for (time, expected) in [
            ("2023-11-25T09:03:46.739012Z", "2023-11-25 17:03:46.739012 +0800 CST"),
            ("2023-11-25T09:03:46Z", "2023-11-25 17:03:46 +0800 CST"),
            ("2023-11-25T09:03:46.5Z", "2023-11-25 17:03:46.5 +0800 CST"),
            ("2023-12-31T16:00:00.000000001Z", "2024-01-01 00:00:00.000000001 +0800 CST"),
        ] {
            assert_eq!(go_time(time.parse().unwrap()), expected);
        }
    }
}
