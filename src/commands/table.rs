//! The table of every command: columns of even width, aligned by what a terminal shows of a text, not by its characters.
//! Pure.
//!
//! A character of Chinese takes two cells of a terminal, and a combining mark none. One long cell does not make its
//! column wide: it pushes aside the rest of its own line alone. No cell can break out of its line or give a terminal or a
//! CI system a command, whoever wrote its text.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use crate::cloud::text::{clean, inert};

/// What stands for a value that is not there.
pub const NONE: &str = "-";
/// The widest that a column becomes, in cells of a terminal. A UUID fits.
const MOST: usize = 40;
/// The longest cell, in characters.
const MAX_CELL: usize = 1_000;
/// The cells between two columns.
const GAP: usize = 2;
/// The end of a colour.
const RESET: &str = "\x1b[0m";

/// A colour of a cell, in a terminal that shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Good.
    Green,
    /// Bad.
    Red,
    /// Neither.
    Yellow,
}

impl Colour {
    /// The text in this colour.
    pub fn paint(self, text: &str) -> String {
        let on = match self {
            Self::Green => "\x1b[32m",
            Self::Red => "\x1b[31m",
            Self::Yellow => "\x1b[33m",
        };
        format!("{on}{text}{RESET}")
    }
}

/// A table without colours.
pub fn columns<R: AsRef<[String]>>(headings: &[&str], rows: &[R]) -> String {
    aligned(headings, rows, |_, _| None)
}

/// A table. `paint` gives the colour of a cell, by row and column.
pub fn aligned<R: AsRef<[String]>>(
    headings: &[&str],
    rows: &[R],
    paint: impl Fn(usize, usize) -> Option<Colour>,
) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.as_ref().iter().map(|cell| clean(cell, MAX_CELL)).collect()).collect();
    let widths = widths(headings, &rows);
    let mut table = String::new();
    line(&mut table, headings.iter().copied(), &widths, |_| None);
    for (index, row) in rows.iter().enumerate() {
        line(&mut table, row.iter().map(String::as_str), &widths, |column| paint(index, column));
    }
    inert(&table)
}

/// The width of each column: that of its widest cell, but at most [`MOST`].
fn widths<R: AsRef<[String]>>(headings: &[&str], rows: &[R]) -> Vec<usize> {
    let width = |(column, heading): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column)).map(|cell| cell.width());
        cells.filter(|width| *width <= MOST).fold(heading.width(), usize::max)
    };
    headings.iter().enumerate().map(width).collect()
}

/// Where the last column begins, in cells, if no cell before it is too long.
pub fn last_begins<R: AsRef<[String]>>(headings: &[&str], rows: &[R]) -> usize {
    widths(headings, rows).iter().rev().skip(1).map(|width| width + GAP).sum()
}

/// One line. A cell is padded by the width of its text, whatever its colour.
fn line<'a>(
    table: &mut String,
    cells: impl Iterator<Item = &'a str>,
    widths: &[usize],
    paint: impl Fn(usize) -> Option<Colour>,
) {
    for (column, cell) in cells.enumerate() {
        let is_last = column + 1 == widths.len();
        let width = widths.get(column).copied().unwrap_or_default();
        let padding = if is_last { 0 } else { width.saturating_sub(cell.width()) + GAP };
        let shown = paint(column).map_or_else(|| cell.to_owned(), |colour| colour.paint(cell));
        // Writing to a string cannot fail.
        let _ = write!(table, "{shown}{:padding$}", "");
    }
    table.truncate(table.trim_end_matches(' ').len());
    table.push('\n');
}

/// The text in lines of at most `width` cells, broken at spaces where there are any.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let gap = usize::from(!line.is_empty());
            if line.width() + gap + word.width() <= width {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(word);
                break;
            }
            if line.is_empty() {
                // A word that fills more than a line, such as a sentence of Chinese.
                let (head, tail) = word.split_at(fits(word, width));
                lines.push(head.to_owned());
                word = tail;
            } else {
                lines.push(std::mem::take(&mut line));
            }
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// The text cut to `width` cells, the last of them `…` when something was cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    format!("{}…", text[..fits(text, width.saturating_sub(1))].trim_end())
}

/// How many bytes of the text fit into `width` cells; at least those of its first character.
fn fits(text: &str, width: usize) -> usize {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let mut fitting = 0;
    for end in ends {
        if fitting > 0 && text[..end].width() > width {
            break;
        }
        fitting = end;
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[[&str; 2]]) -> Vec<[String; 2]> {
        cells.iter().map(|row| row.map(str::to_owned)).collect()
    }

    #[test]
    fn wide_characters_align() {
        let table = columns(&["NAME", "WHY"], &rows(&[["测试集群", "a"], ["prod", "b"], ["e\u{301}", "c"]]));
        assert_eq!(table, "NAME      WHY\n测试集群  a\nprod      b\ne\u{301}         c\n");
    }

    #[test]
    fn one_long_cell_does_not_stretch_the_table() {
        let long = "x".repeat(200);
        let table = columns(&["NAME", "WHY"], &rows(&[[&long, "a"], ["prod", "b"]]));
        assert_eq!(table, format!("NAME  WHY\n{long}  a\nprod  b\n"));
    }

    #[test]
    fn no_cell_breaks_out_of_its_line_or_commands_anybody() {
        let table =
            columns(&["NAME", "WHY"], &rows(&[["::error::x\ny", "\x1b[31m\r\u{202e}"], ["a", "##[group]"]]));
        let shown =
            "NAME          WHY\n\u{fffd}:error::x y  \u{fffd}[31m \u{fffd}\na             \u{fffd}#[group]\n";
        assert_eq!(table, shown);
    }

    #[test]
    fn a_colour_takes_no_place() {
        let rows = rows(&[["a", "b"], ["ccc", "d"]]);
        let table =
            aligned(&["X", "Y"], &rows, |row, column| (row == 0 && column == 0).then_some(Colour::Red));
        assert_eq!(table, "X    Y\n\x1b[31ma\x1b[0m    b\nccc  d\n");
    }

    #[test]
    fn a_text_is_wrapped_and_cut_by_the_cells_it_takes() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("备份失败了 x", 6), ["备份失", "败了 x"]);
        assert_eq!(wrapped("", 6), [""]);
        // No room at all must not loop for ever.
        assert_eq!(wrapped("备份", 0), ["备", "份"]);
        assert_eq!((cut("备份失败", 5).as_str(), cut("prod", 4).as_str()), ("备份…", "prod"));
    }
}
