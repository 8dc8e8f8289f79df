//! Where the reasons of the screen stand: at the end of a line, wrapped in a column, or under their watch. Pure.

use crate::commands::output::shown;
use crate::commands::table::{Colour, aligned, cut, wrapped};

/// The most lines that the reason of one watch takes. Of a good one it is a single line.
const LINES: usize = 3;
/// The narrowest that the reasons are wrapped in a column of their own. Below it they stand under their watch, with the width of the
/// screen: in a narrow column they would be cut before they say what to do.
const ENOUGH: usize = 60;
/// How far a reason under its watch is indented.
const INDENT: usize = 4;

/// The heading of the column that has colours.
pub const VERDICT: &str = "VERDICT";

/// Where the reasons stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// At the end of the line, whole, since there is no screen.
    Line,
    /// In the last column, wrapped to its width.
    Column(usize),
    /// Under the watch, wrapped to this width.
    Below(usize),
}

impl Layout {
    /// The layout for a screen of this width, if there is one, where the last column would begin there.
    pub fn of(width: Option<usize>, last_begins: usize) -> Self {
        match width {
            None => Self::Line,
            Some(width) if width < last_begins + ENOUGH => Self::Below(width.saturating_sub(INDENT)),
            Some(width) => Self::Column(width - last_begins),
        }
    }

    /// A reason in lines.
    pub fn reason(self, why: String, is_good: bool) -> Vec<String> {
        let (Self::Column(width) | Self::Below(width)) = self else { return vec![why] };
        let most = match (is_good, self) {
            // That a backup succeeded is what the verdict says already.
            (true, Self::Below(_)) => return Vec::new(),
            (true, _) => 1,
            _ => LINES,
        };
        let mut lines = wrapped(&why, width);
        if lines.len() > most {
            let rest = lines.split_off(most - 1).join(" ");
            lines.push(cut(&rest, width));
        }
        lines
    }

    /// How many lines a watch takes with its reason.
    pub fn height(self, reason: &[String]) -> usize {
        match self {
            Self::Below(_) => 1 + reason.len(),
            _ => reason.len().max(1),
        }
    }

    /// The table, with the colours of the verdicts.
    pub fn table(
        self,
        headings: &[&str],
        rows: &[Vec<String>],
        reasons: &[Vec<String>],
        colours: &[Option<Colour>],
    ) -> String {
        let verdict = headings.iter().position(|heading| *heading == VERDICT);
        let Self::Below(_) = self else {
            // A line of the table for each line of a reason; the first has the other cells.
            let lines = rows.iter().zip(reasons).zip(colours).flat_map(|((row, reason), colour)| {
                reason.iter().enumerate().map(move |(n, part)| {
                    let mut cells = if n == 0 { row.clone() } else { vec![String::new(); row.len()] };
                    cells.push(part.clone());
                    (cells, colour.filter(|_| n == 0))
                })
            });
            let (lines, colours): (Vec<_>, Vec<_>) = lines.unzip();
            return aligned(headings, &lines, |line, column| {
                colours[line].filter(|_| verdict == Some(column))
            });
        };
        let table = aligned(&headings[..headings.len() - 1], rows, |row, column| {
            colours[row].filter(|_| verdict == Some(column))
        });
        let mut lines = table.lines();
        let mut text: Vec<_> = lines.next().into_iter().map(str::to_owned).collect();
        for (line, reason) in lines.zip(reasons) {
            text.push(line.to_owned());
            text.extend(reason.iter().map(|part| format!("{:INDENT$}{}", "", shown(part))));
        }
        text.push(String::new());
        text.join("\n")
    }
}
