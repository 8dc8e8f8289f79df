//! The clock of every command: how a time, or a duration, is told to a person. Pure; the time and the time zone are parameters.
//!
//! A time is told twice: how long ago, which is what one wants to know at night, and as the clock on the wall has it,
//! which is what one compares with a calendar. JSON and YAML have RFC 3339 in UTC.

use std::time::Duration;

use jiff::{
    RoundMode, SignedDuration, Timestamp, TimestampRound, Unit,
    fmt::friendly::{Designator, Spacing, SpanPrinter},
    tz::TimeZone,
};

/// The moment of a command, and where the person is.
#[derive(Clone, Debug)]
pub struct Now {
    /// The time.
    pub time: Timestamp,
    /// The time zone of the machine, or of the variable TZ.
    pub zone: TimeZone,
}

impl Now {
    /// By the clock of the machine.
    pub fn of_machine() -> Self {
        Self::at(Timestamp::now())
    }

    /// By another clock, such as the cloud's, by which the ages of its tasks are measured.
    pub fn at(time: Timestamp) -> Self {
        Self { time, zone: TimeZone::system() }
    }

    /// The time as `3h ago (17:03)`; with its date, if that is another day: `3d ago (2023-11-25 17:03)`.
    pub fn told(&self, time: Timestamp) -> String {
        format!("{} ({})", self.ago(time), self.clock(time))
    }

    /// The time as `3h ago`, or as `in 3h`.
    pub fn ago(&self, time: Timestamp) -> String {
        let seconds = self.time.as_second() - time.as_second();
        if seconds < 0 { format!("in {}", rough(-seconds)) } else { format!("{} ago", rough(seconds)) }
    }

    /// The time of day by the clock on the wall, with the date if it is not today's.
    fn clock(&self, time: Timestamp) -> String {
        let [there, here] = [time, self.time].map(|time| time.to_zoned(self.zone.clone()));
        let pattern = if there.date() == here.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
        there.strftime(pattern).to_string()
    }

    /// The moment itself with its zone, such as `2023-11-25 17:03 (UTC+08:00)`: a table says once how to read its times.
    pub fn stamp(&self) -> String {
        self.time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M (UTC%:z)").to_string()
    }
}

/// A number of seconds in its largest unit, as kubectl tells an age. Hours go up to two days, so that `26h` can be
/// compared with a maxAge.
pub fn rough(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A time in UTC, cut to the second, for lines that a log keeps.
pub fn seconds(time: Timestamp) -> String {
    let whole = time.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc));
    whole.unwrap_or(time).to_string()
}

/// A duration as a flag takes it, such as `1h30m`, so that it can be copied from a message.
pub fn written(duration: Duration) -> String {
    let printer = SpanPrinter::new().designator(Designator::Compact).spacing(Spacing::None);
    SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{duration:?}"), |duration| printer.duration_to_string(&duration))
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;

    #[test]
    fn a_time_is_told_twice() {
        let now =
            Now { time: "2023-11-25T09:03:46Z".parse().unwrap(), zone: TimeZone::fixed(Offset::constant(8)) };
        for (time, told) in [
            ("2023-11-25T09:03:04Z", "42s ago (17:03)"),
            ("2023-11-25T08:05:00Z", "58m ago (16:05)"),
            ("2023-11-25T06:00:00Z", "3h ago (14:00)"),
            ("2023-11-24T07:03:00Z", "26h ago (2023-11-24 15:03)"),
            ("2023-11-22T09:00:00Z", "3d ago (2023-11-22 17:00)"),
            ("2023-11-25T09:13:46Z", "in 10m (17:13)"),
        ] {
            assert_eq!(now.told(time.parse().unwrap()), told);
        }
        assert_eq!(now.stamp(), "2023-11-25 17:03 (UTC+08:00)");
    }

    #[test]
    fn a_duration_is_written_as_a_flag_takes_it() {
        for text in ["45s", "1h30m", "26h", "1m30s"] {
            let duration = crate::api::duration::parse(text).unwrap();
            assert_eq!(written(duration.into()), text);
        }
    }
}
