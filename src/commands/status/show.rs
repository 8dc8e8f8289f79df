//! The screen of `status`, and its JSON. Pure: the width and the height of the terminal are parameters.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    operator::{Operator, State},
    verdict::{Verdict, counts_as_bad, verdict, why},
};
use crate::commands::moment::Now;
use crate::commands::output::shown;
use crate::commands::table::{Colour, NONE, aligned, cut, last_begins, wrapped};
use crate::commands::watch::Watch;

/// The widest that a display name is shown, in cells of a terminal: it is there for recognition, and the name of the watch is what one
/// types.
const DISPLAY: usize = 24;
/// The most lines that the reason of one watch takes.
const LINES: usize = 3;
/// The narrowest that the last column is wrapped to.
const NARROW: usize = 24;
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
    verdict: Verdict,
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
            (Verdict::Running, Some(progress)) => format!("{progress} %, {message}"),
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
        let fitting = self.fitting(screen);
        let has_upgrade = self.watches.iter().any(|row| row.upgrade.is_some());
        let has_display = self.watches.iter().any(|row| row.display_name.is_some());
        let kept = |keep: &[(bool, &'static str)]| {
            keep.iter().filter(|(keep, _)| *keep).map(|(_, heading)| *heading).collect::<Vec<_>>()
        };
        let headings = kept(&[
            (true, "WATCH"),
            (has_display, "DISPLAY NAME"),
            (true, "VERDICT"),
            (true, "LAST SUCCESS"),
            (has_upgrade, "UPGRADE"),
            (true, "WHY"),
        ]);
        let verdict_column = 1 + usize::from(has_display);
        let row = |row: &Row| {
            let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
            let mut cells = vec![format!("{}/{}", row.namespace, row.name)];
            cells.extend(
                has_display.then(|| or_none(row.display_name.as_deref().map(|name| cut(name, DISPLAY)))),
            );
            cells.push(row.verdict.as_str().to_owned());
            cells.push(or_none(row.last_success.map(|time| now.told(time))));
            cells.extend(has_upgrade.then(|| or_none(row.upgrade.as_ref().map(|to| format!("to {to}")))));
            cells.push(row.why());
            cells
        };
        let rows: Vec<_> = self.watches[..fitting].iter().map(row).collect();
        let (lines, of) = laid_out(rows, &headings, screen);
        let paint = |line: usize, column: usize| {
            let row = of[line].filter(|_| screen.colour && column == verdict_column)?;
            Some(self.watches[row].verdict.colour())
        };
        let table = aligned(&headings, &lines, paint);
        let rest = self.watches.len() - fitting;
        let rest = if rest == 0 {
            String::new()
        } else {
            format!("and {rest} more that are good (in a pipe all are listed)\n")
        };
        format!("{head}\n{table}{rest}")
    }

    fn number(&self) -> String {
        match self.watches.len() {
            0 => "no watch".to_owned(),
            1 => "1 watch".to_owned(),
            n => format!("{n} watches"),
        }
    }

    fn summary(&self) -> String {
        let count = |of: Verdict| self.watches.iter().filter(|row| row.verdict == of).count();
        let counts = Verdict::all().map(|of| (count(of), of.as_str())).filter(|(count, _)| *count > 0);
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

    /// How many lines fit on the screen. Only watches that are good are ever left out.
    fn fitting(&self, screen: Screen) -> usize {
        let all = self.watches.len();
        let Some((_, height)) = screen.size else { return all };
        let to_see = self.watches.iter().filter(|row| row.verdict != Verdict::Good).count();
        all.min(to_see.max(height.saturating_sub(AROUND)))
    }
}

/// Wraps the last column into the width of the terminal. Returns the lines, and for the first line of each row which row it is.
fn laid_out(
    rows: Vec<Vec<String>>,
    headings: &[&str],
    screen: Screen,
) -> (Vec<Vec<String>>, Vec<Option<usize>>) {
    let width = screen.size.map(|(width, _)| width.saturating_sub(last_begins(headings, &rows)).max(NARROW));
    let (mut lines, mut of) = (Vec::new(), Vec::new());
    for (index, mut row) in rows.into_iter().enumerate() {
        let last = row.pop().unwrap_or_default();
        let mut parts = width.map_or_else(|| vec![last.clone()], |width| wrapped(&last, width));
        if let (Some(width), true) = (width, parts.len() > LINES) {
            let rest = parts.split_off(LINES - 1).join(" ");
            parts.push(cut(&rest, width));
        }
        for (n, part) in parts.into_iter().enumerate() {
            let mut line =
                if n == 0 { std::mem::take(&mut row) } else { vec![String::new(); headings.len() - 1] };
            line.push(part);
            lines.push(line);
            of.push((n == 0).then_some(index));
        }
    }
    (lines, of)
}

impl Verdict {
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
