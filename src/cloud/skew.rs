//! Recognizes that a request was refused because the clock of this host is wrong.
//!
//! The gateway gives a wrong clock the code of a wrong key, and only the words of the refusal, or the `Date` of the
//! answer, tell the two apart. Taken for a wrong key, people would rotate keys in vain, and all watches of the key would
//! stop. Pure, but for [`Skews`], which remembers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::Offset};

/// A larger difference is refused.
const ACCEPTED: SignedDuration = SignedDuration::from_mins(15);
/// A message keeps its times while the difference changes by no more than this.
const STEADY: SignedDuration = SignedDuration::from_mins(1);
/// The most endpoints that are remembered; then all are forgotten, and their messages have new times once.
const ENDPOINTS: usize = 1_000;
/// The form of the times in the gateway's words.
const TIME: &str = "%Y%m%dT%H%M%SZ";
const TIME_LENGTH: usize = "20211217T064303Z".len();

/// One moment by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// By this host's, which dated the request.
    pub ours: Timestamp,
    /// By the cloud's.
    pub cloud: Timestamp,
}

impl Clocks {
    fn ahead(&self) -> SignedDuration {
        self.ours.duration_since(self.cloud)
    }

    /// Both times and by how much they differ, as the middle of a message.
    pub fn told(&self) -> String {
        let ahead = self.ahead();
        let (minutes, side) =
            (ahead.abs().as_mins(), if ahead.is_negative() { "behind" } else { "ahead of" });
        let amount = match minutes {
            0..120 => format!("{minutes} min"),
            120..2_880 => format!("{} h", minutes / 60),
            _ => format!("{} days", minutes / 1_440),
        };
        let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        format!("{amount} {side} the cloud's: {} here, {} there", time(self.ours), time(self.cloud))
    }
}

/// A wrong clock as the reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skew {
    /// The refusal gives the times.
    Told(Clocks),
    /// It does not.
    Untold,
}

/// The clocks that a refusal compares, if they are the reason for it.
/// `date` is that of the answer to a request which was dated `now`.
pub(super) fn clocks(
    status: u16,
    codes: &[String],
    sentences: &[String],
    date: Option<Timestamp>,
    now: Timestamp,
) -> Option<Skew> {
    let by_date = date.map(|cloud| Clocks { ours: now, cloud });
    // Throttling and a time-out have nothing to do with the clock, and they pass.
    let refuses = (400..=499).contains(&status) && !matches!(status, 408 | 429);
    let is_said = status == 401
        && (codes.iter().any(|code| matches!(code.as_str(), "APIGW.0303" | "APIG.0303"))
            || sentences.iter().any(|words| words.to_lowercase().contains("signature expired")));
    if is_said {
        let told = sentences.iter().find_map(|words| in_words(words)).or(by_date);
        return Some(told.map_or(Skew::Untold, Skew::Told));
    }
    by_date.filter(|clocks| refuses && clocks.ahead().abs() > ACCEPTED).map(Skew::Told)
}

/// The times in words like `signature time:20211217T064303Z,server time:20211217T065804Z`.
fn in_words(words: &str) -> Option<Clocks> {
    let time = |name: &str| {
        let (_, rest) = words.split_once(name)?;
        let text = rest.trim_start_matches([':', ' ']).get(..TIME_LENGTH)?;
        Offset::UTC.to_timestamp(DateTime::strptime(TIME, text).ok()?).ok()
    };
    Some(Clocks { ours: time("signature time")?, cloud: time("server time")? })
}

/// The clocks of the last refusal of each endpoint, so that a message has the same times in it as long as the difference
/// is the same: a condition is written whenever its message changes.
#[derive(Debug, Default)]
pub struct Skews(Mutex<HashMap<String, Clocks>>);

impl Skews {
    /// The clocks to tell for those of a new refusal.
    pub(super) fn steady(&self, endpoint: &str, new: Clocks) -> Clocks {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = all.get(endpoint).filter(|old| (old.ahead() - new.ahead()).abs() <= STEADY) {
            return *old;
        }
        if all.len() >= ENDPOINTS {
            all.clear();
        }
        all.insert(endpoint.to_owned(), new);
        new
    }

    /// The endpoint has accepted a request.
    pub(super) fn ended(&self, endpoint: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOW: &str = "2021-12-17T06:43:03Z";

    #[test]
    fn the_words_the_rare_code_or_the_date_of_a_refusal_tell_of_a_wrong_clock() {
        let expired = "Incorrect IAM authentication information: signature expired, \
                       signature time:20211217T064303Z,server time:20211217T065804Z";
        let told = Some(Skew::Told(Clocks { ours: at(NOW), cloud: at("2021-12-17T06:58:04Z") }));
        let later = "2021-12-17T07:00:00Z";
        let dated = Some(Skew::Told(Clocks { ours: at(NOW), cloud: at(later) }));
        let same = Some(Skew::Told(Clocks { ours: at(NOW), cloud: at(NOW) }));
        for (status, code, words, date, expected) in [
            (401, "APIGW.0301", expired, None, told),
            (401, "APIGW.0301", expired, Some(later), told),
            (401, "APIGW.0301", "Signature Expired", None, Some(Skew::Untold)),
            (401, "APIGW.0301", "signature expired, signature time:1,server time:2", Some(later), dated),
            (401, "APIGW.0301", "verify aksk signature fail", Some("2021-12-17T06:43:09Z"), None),
            (401, "APIGW.0301", "verify aksk signature fail", Some("2021-12-17T06:58:03Z"), None),
            (401, "APIGW.0301", "verify aksk signature fail", Some(later), dated),
            (401, "APIGW.0303", "", None, Some(Skew::Untold)),
            (401, "APIG.0303", "", Some(NOW), same),
            (403, "CCE.01403001", "", Some(later), dated),
            (403, "APIGW.0303", "", None, None),
            (429, "APIGW.0308", expired, Some(later), None),
            (408, "", "", Some(later), None),
            (503, "", expired, Some(later), None),
            (200, "", expired, Some(later), None),
        ] {
            let (codes, words) = ([code.to_owned()], [words.to_owned()]);
            let found = clocks(status, &codes, &words, date.map(at), at(NOW));
            assert_eq!(found, expected, "{status} {code} {words:?} {date:?}");
        }
    }

    #[test]
    fn both_times_and_the_difference_are_told() {
        for (ours, cloud, told) in [
            (
                NOW,
                "2021-12-17T06:58:04Z",
                "15 min behind the cloud's: 2021-12-17T06:43:03Z here, 2021-12-17T06:58:04Z there",
            ),
            (
                NOW,
                "2021-12-17T03:00:00Z",
                "3 h ahead of the cloud's: 2021-12-17T06:43:03Z here, 2021-12-17T03:00:00Z there",
            ),
            (
                NOW,
                "2021-12-27T07:00:00Z",
                "10 days behind the cloud's: 2021-12-17T06:43:03Z here, 2021-12-27T07:00:00Z there",
            ),
        ] {
            assert_eq!(Clocks { ours: at(ours), cloud: at(cloud) }.told(), told);
        }
    }

    #[test]
    fn the_told_times_stay_while_the_difference_does() {
        let skews = Skews::default();
        let clocks = |minute: i64, off: i64| {
            let ours = at(NOW) + SignedDuration::from_mins(minute);
            Clocks { ours, cloud: ours + SignedDuration::from_secs(off) }
        };
        let first = clocks(0, 1_200);
        for (minute, off) in [(0, 1_200), (5, 1_201), (60, 1_199), (600, 1_260)] {
            assert_eq!(skews.steady("a", clocks(minute, off)), first);
        }
        assert_eq!(skews.steady("b", clocks(7, 1_200)), clocks(7, 1_200), "another endpoint");
        assert_eq!(skews.steady("a", clocks(8, 1_261)), clocks(8, 1_261), "another difference");
        skews.ended("a");
        assert_eq!(skews.steady("a", clocks(9, 1_261)), clocks(9, 1_261), "after an answer");
    }
}
