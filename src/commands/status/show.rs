//! The screen of `status`, and its JSON. Pure: the width and the height of the terminal are parameters.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    layout::{Layout, VERDICT},
    operator::{Operator, State},
    verdict::{Standing, counts_as_bad, verdict, why},
};
use crate::commands::moment::Now;
use crate::commands::output::shown;
use crate::commands::table::{Colour, NONE, cut, last_begins};
use crate::commands::watch::Watch;

/// The widest that a display name is shown, in cells of a terminal: it is there for recognition, and the name of the watch is what one
/// types.
const DISPLAY: usize = 24;
/// The lines of a terminal that the table leaves to what stands around it: the two lines before it, the one that counts the rest, and
/// the prompt.
const AROUND: usize = 6;

/// Where the screen is written to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Screen {
    /// The size of the terminal, by width and height. Without one nothing is wrapped and nothing left out.
    pub size: Option<(usize, usize)>,
    /// Whether it shows colours.
    pub colour: bool,
}

/// What is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    time: Timestamp,
    operator: Operator,
    watches: Vec<Row>,
}

/// One watch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    namespace: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    verdict: Standing,
    reason: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<Timestamp>,
    suspended: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upgrade: Option<String>,
    #[serde(skip)]
    counts_as_bad: bool,
}

impl Row {
    /// The line of a watch.
    pub fn of(watch: &Watch) -> Self {
        let (reason, message) = why(watch);
        let status = &watch.status;
        let running = status
            .upgrade
            .as_ref()
            .filter(|upgrade| !matches!(upgrade.phase.as_deref(), None | Some("Success" | "Cancel")));
        let clean = |text: &str| crate::cloud::text::clean(text, 64);
        Self {
            namespace: watch.metadata.namespace.clone(),
            name: watch.metadata.name.clone(),
            display_name: watch.display_name(),
            verdict: verdict(watch),
            reason,
            message,
            last_success: status.last_success.as_ref().and_then(|success| success.time),
            suspended: watch.spec.suspend,
            phase: status.phase.as_deref().map(clean),
            progress: status.progress,
            upgrade: running.and_then(|upgrade| upgrade.to_version.as_deref()).map(clean),
            counts_as_bad: counts_as_bad(watch),
        }
    }

    /// The verdict and why, in one line: what `poll` prints.
    pub fn line(&self, now: &Now) -> String {
        let last = self.last_success.map_or_else(|| "never".to_owned(), |time| now.told(time));
        format!(
            "{}/{}: {}: {} (last success: {last})",
            self.namespace,
            self.name,
            self.verdict.as_str(),
            self.why()
        )
    }

    fn why(&self) -> String {
        let message = if self.message.is_empty() {
            self.reason.clone()
        } else {
            format!("{}: {}", self.reason, self.message)
        };
        match (self.verdict, self.progress) {
            (Standing::Running, Some(progress)) => format!("{progress} %, {message}"),
            _ => message,
        }
    }
}

impl Look {
    /// The watches, the worst first.
    pub fn new(watches: &[Watch], operator: Operator, now: &Now) -> Self {
        let mut watches: Vec<_> = watches.iter().map(Row::of).collect();
        let order = |row: &Row| (row.verdict, row.namespace.clone(), row.name.clone());
        watches.sort_by_cached_key(order);
        Self { time: now.time, operator, watches }
    }

    /// Whether the command ends with 1.
    pub fn is_bad(&self) -> bool {
        self.operator.state == State::Away || self.watches.iter().any(|row| row.counts_as_bad)
    }

    /// The screen: how many of each verdict, whether an operator is alive, and a line for each watch.
    pub fn table(&self, screen: Screen, now: &Now) -> String {
        let head =
            format!("{} at {}: {}\n{}\n", self.number(), now.stamp(), self.summary(), self.operator(screen));
        if self.watches.is_empty() {
            return head;
        }
        let headings = self.headings();
        let rows: Vec<_> = self.watches.iter().map(|row| self.cells(row, now)).collect();
        let layout = Layout::of(screen.size.map(|(width, _)| width), last_begins(&headings, &rows));
        let reason = |row: &Row| layout.reason(row.why(), row.verdict == Standing::Good);
        let reasons: Vec<_> = self.watches.iter().map(reason).collect();
        let fitting = self.fitting(screen, |row| layout.height(&reasons[row]));
        let colours = self.watches.iter().map(|row| row.verdict.colour());
        let colours: Vec<_> = colours.map(|colour| screen.colour.then_some(colour)).collect();
        let table = layout.table(&headings, &rows[..fitting], &reasons, &colours);
        let rest = self.watches.len() - fitting;
        let rest = if rest == 0 {
            String::new()
        } else {
            format!("and {rest} more that are good (in a pipe all are listed)\n")
        };
        format!("{head}\n{table}{rest}")
    }

    /// The headings. A column that would be empty is left out.
    fn headings(&self) -> Vec<&'static str> {
        let all = [
            (true, "WATCH"),
            (self.has_display(), "DISPLAY NAME"),
            (true, VERDICT),
            (true, "LAST SUCCESS"),
            (self.has_upgrade(), "UPGRADE"),
            (true, "WHY"),
        ];
        all.into_iter().filter(|(is_kept, _)| *is_kept).map(|(_, heading)| heading).collect()
    }

    fn has_display(&self) -> bool {
        self.watches.iter().any(|row| row.display_name.is_some())
    }

    fn has_upgrade(&self) -> bool {
        self.watches.iter().any(|row| row.upgrade.is_some())
    }

    /// The cells of a watch but for its reason.
    fn cells(&self, row: &Row, now: &Now) -> Vec<String> {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
        let mut cells = vec![format!("{}/{}", row.namespace, row.name)];
        if self.has_display() {
            cells.push(or_none(row.display_name.as_deref().map(|name| cut(name, DISPLAY))));
        }
        cells.push(row.verdict.as_str().to_owned());
        cells.push(or_none(row.last_success.map(|time| now.told(time))));
        if self.has_upgrade() {
            cells.push(or_none(row.upgrade.as_ref().map(|to| format!("to {to}"))));
        }
        cells
    }

    fn number(&self) -> String {
        match self.watches.len() {
            0 => "no watch".to_owned(),
            1 => "1 watch".to_owned(),
            n => format!("{n} watches"),
        }
    }

    fn summary(&self) -> String {
        let count = |of: Standing| self.watches.iter().filter(|row| row.verdict == of).count();
        let counts = Standing::all().map(|of| (count(of), of.as_str())).filter(|(count, _)| *count > 0);
        let text: Vec<_> = counts.map(|(count, of)| format!("{count} {of}")).collect();
        if text.is_empty() { "none to report on".to_owned() } else { text.join(", ") }
    }

    fn operator(&self, screen: Screen) -> String {
        let (word, colour) = match self.operator.state {
            State::Alive => ("alive", Colour::Green),
            State::Away => ("AWAY, so what follows is old", Colour::Red),
            State::Unknown => ("cannot tell", Colour::Yellow),
        };
        let word = if screen.colour { colour.paint(word) } else { word.to_owned() };
        format!("operator: {word}: {}", shown(&self.operator.message))
    }

    /// How many watches fit on the screen, by the lines that each takes. Only watches that are good are ever left out.
    fn fitting(&self, screen: Screen, lines: impl Fn(usize) -> usize) -> usize {
        let all = self.watches.len();
        let Some((_, height)) = screen.size else { return all };
        let to_see = self.watches.iter().take_while(|row| row.verdict != Standing::Good).count();
        let room = height.saturating_sub(AROUND + (0..to_see).map(&lines).sum::<usize>());
        let good = (to_see..all).scan(0, |taken, row| {
            *taken += lines(row);
            Some(*taken)
        });
        to_see + good.take_while(|taken| *taken <= room).count()
    }
}

impl Standing {
    fn colour(self) -> Colour {
        match self {
            Self::Blind | Self::Bad | Self::Unprotected | Self::Stale => Colour::Red,
            Self::Unknown | Self::Suspended | Self::Running => Colour::Yellow,
            Self::Good => Colour::Green,
        }
    }
}

#[cfg(test)]
mod tests;
