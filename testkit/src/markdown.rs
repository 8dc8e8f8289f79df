//! What tests read of a Markdown file, section by section, and of all pages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A file.
pub struct Document {
    /// Where it is, from the root of the repository.
    pub path: PathBuf,
    /// The text before the first heading, then one for each heading.
    pub sections: Vec<Section>,
}

/// A heading and what stands below it, down to the next heading of any level.
#[derive(Default)]
pub struct Section {
    /// 1 to 6; 0 before the first heading.
    pub level: usize,
    /// Its text.
    pub heading: String,
    /// What a link to the heading ends with, as GitHub makes it.
    pub anchor: String,
    /// The language and the text of each block of code.
    pub blocks: Vec<(String, String)>,
    /// Each piece of code in a sentence or a table.
    pub codes: BTreeSet<String>,
    /// Each number in a sentence or a table.
    pub numbers: BTreeSet<String>,
    /// The cells of each row of each table, the head among them.
    pub tables: Vec<Vec<Vec<Cell>>>,
    /// Where links and pictures lead.
    pub links: Vec<String>,
}

impl Section {
    /// The commands in its blocks, each with the lines that it continues on and what it reads, and without a prompt.
    pub fn commands(&self) -> Vec<String> {
        let text: String = self.blocks.iter().map(|(_, text)| text.replace("\\\n", " ") + "\n").collect();
        let mut commands: Vec<String> = Vec::new();
        for line in text.lines() {
            match commands.last_mut() {
                Some(open) if open.contains("<<'END'") && !open.ends_with("\nEND") => {
                    *open = format!("{open}\n{line}");
                }
                _ => commands.push(line.trim().trim_start_matches("$ ").to_owned()),
            }
        }
        commands
    }
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// All of it.
    pub text: String,
    /// Each piece of code in it.
    pub codes: Vec<String>,
}

impl Document {
    /// Reads a file of the repository.
    pub fn read(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(path, &text)
    }

    /// Takes a text apart.
    pub fn parse(path: &Path, text: &str) -> Self {
        let mut sections = vec![Section::default()];
        let mut cell: Option<Cell> = None;
        let mut block: Option<(String, String)> = None;
        let mut in_heading = false;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            if let Event::Start(Tag::Heading { level, .. }) = event {
                sections.push(Section { level: level as usize, ..Section::default() });
                in_heading = true;
            }
            let Some(section) = sections.last_mut() else { continue };
            match event {
                Event::End(TagEnd::Heading(_)) => in_heading = false,
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.to_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    block = Some((language, String::new()));
                }
                Event::End(TagEnd::CodeBlock) => section.blocks.extend(block.take()),
                Event::Start(Tag::Table(_)) => section.tables.push(Vec::new()),
                Event::Start(Tag::TableHead | Tag::TableRow) => {
                    if let Some(table) = section.tables.last_mut() {
                        table.push(Vec::new());
                    }
                }
                Event::Start(Tag::TableCell) => cell = Some(Cell::default()),
                Event::End(TagEnd::TableCell) => {
                    if let Some(row) = section.tables.last_mut().and_then(|table| table.last_mut()) {
                        row.extend(cell.take());
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    section.links.push(dest_url.to_string());
                }
                Event::Text(text) => {
                    if let Some((_, code)) = &mut block {
                        code.push_str(&text);
                        continue;
                    }
                    section.numbers.extend(numbers(&text));
                    if let Some(cell) = &mut cell {
                        cell.text.push_str(&text);
                    } else if in_heading {
                        section.heading.push_str(&text);
                    }
                }
                Event::Code(code) => {
                    if let Some(cell) = &mut cell {
                        cell.text.push_str(&code);
                        cell.codes.push(code.to_string());
                    }
                    if in_heading {
                        section.heading.push_str(&code);
                    }
                    section.codes.insert(code.into_string());
                }
                _ => {}
            }
        }
        let mut seen: Vec<String> = Vec::new();
        for section in &mut sections {
            let plain = anchor(&section.heading);
            let before = seen.iter().filter(|anchor| **anchor == plain).count();
            section.anchor = if before == 0 { plain.clone() } else { format!("{plain}-{before}") };
            seen.push(plain);
        }
        Self { path: path.to_owned(), sections }
    }

    /// The section that `#anchor` leads to, by its number.
    pub fn find(&self, anchor: &str) -> Option<usize> {
        self.sections.iter().position(|section| section.level > 0 && section.anchor == anchor)
    }

    /// What the first cells of the tables name, in code.
    pub fn named_in_tables(&self) -> BTreeSet<&str> {
        let tables = self.sections.iter().flat_map(|section| &section.tables);
        let first = tables.flatten().filter_map(|row| row.first());
        first.flat_map(|cell| &cell.codes).map(String::as_str).collect()
    }
}

/// Every Markdown file of the repository.
pub fn all() -> Vec<Document> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(Path::new(".").join(&folder)).unwrap() {
            let name = entry.unwrap().file_name();
            let path = folder.join(&name);
            if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 15, "only {} files", files.len());
    files.into_iter().map(Document::read).collect()
}

/// The commands of all pages, each after its page.
pub fn commands() -> impl Iterator<Item = (String, String)> {
    all().into_iter().flat_map(|document| {
        let commands = document.sections.iter().flat_map(Section::commands);
        commands.map(|command| (document.path.display().to_string(), command)).collect::<Vec<_>>()
    })
}

fn numbers(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.').map(|word| word.trim_matches('.'));
    words.filter(|word| !word.is_empty()).map(str::to_owned)
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}
