//! Parses the header `Retry-After`: how long the cloud asks to wait before the next request.
//!
//! The result is always within bounds, so that no answer can make the operator poll in a tight loop, or stop polling
//! for a day.

use std::time::Duration;

use jiff::Timestamp;

/// The shortest and the longest pause, in seconds.
const PAUSE: (u64, u64) = (1, 3_600);

/// The pause of a value in seconds or as an HTTP date, clamped to 1 s .. 1 h; `None` for any other text. The standard
/// has whole seconds, and the cloud sends `56.818`: a part of a second counts as a whole one.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let (negative, digits) = value.strip_prefix('-').map_or((false, value), |digits| (true, digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = if is_number(whole) && is_number(decimals) {
        // A number that overflows is clamped like any other large one.
        let whole: u64 = if negative { 0 } else { whole.parse().unwrap_or(u64::MAX) };
        whole.saturating_add(u64::from(!negative && decimals.bytes().any(|b| b != b'0')))
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        // A date after the year 9999 is clamped too.
        let date = Timestamp::try_from(date).unwrap_or(Timestamp::MAX);
        u64::try_from(date.duration_since(now).as_secs()).unwrap_or(0)
    };
    Some(Duration::from_secs(seconds.clamp(PAUSE.0, PAUSE.1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "2023-11-25T09:03:46Z";

    #[test]
    fn retry_after_is_seconds_or_a_date_within_bounds() {
        for (value, seconds) in [
            ("0", Some(1)),
            ("1", Some(1)),
            (" 30 ", Some(30)),
            ("0030", Some(30)),
            ("3600", Some(3_600)),
            ("3601", Some(3_600)),
            ("99999999999999999999999999", Some(3_600)),
            ("-1", Some(1)),
            ("-99999999999999999999999999", Some(1)),
            ("Sat, 25 Nov 2023 09:04:46 GMT", Some(60)),
            ("Saturday, 25-Nov-23 09:04:46 GMT", Some(60)),
            ("Sat Nov 25 09:04:46 2023", Some(60)),
            ("Sat, 25 Nov 2023 09:03:46 GMT", Some(1)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(1)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3_600)),
            ("", None),
            ("-", None),
            ("soon", None),
            ("1.5", Some(2)),
            ("56.818", Some(57)),
            ("56.000", Some(56)),
            ("0.001", Some(1)),
            ("-56.818", Some(1)),
            ("18446744073709551615.5", Some(3_600)),
            ("1.", None),
            (".5", None),
            ("1.5.5", None),
            ("1,5", None),
            ("5e1", None),
            ("+5", None),
            ("٣", None),
            ("2023-11-25T09:04:46Z", None),
        ] {
            assert_eq!(
                retry_after(value, NOW.parse().unwrap()),
                seconds.map(Duration::from_secs),
                "{value:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_retry_after_is_within_bounds_or_nothing(
            value in "\\PC{0,40}|-?[0-9]{1,30}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
            seconds in 0_i64..253_402_207_200,
        ) {
            let now = Timestamp::from_second(seconds).unwrap();
            let pause = retry_after(&value, now);
            prop_assert!(pause.is_none_or(|p| (1..=3_600).contains(&p.as_secs())));
        }
    }
}
