//! What was done to the fake kernel, in order.

use crate::sys::Level;
use std::fmt;
use std::io;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A change, in the words of the operation's own `Display`.
    Change {
        /// The words.
        text: String,
        /// The errno's text, where it was refused.
        refused: Option<String>,
    },
    /// What the consoles show besides the log.
    Shown {
        /// The text.
        text: String,
    },
    /// A line of the log.
    Log {
        /// How urgent.
        level: Level,
        /// The text, which begins with the stage.
        text: String,
    },
}

/// All lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    lines: Vec<Line>,
}

impl Journal {
    /// Every line, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The changes' words, in order, refused ones too.
    pub fn changes(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| match line {
            Line::Change { text, .. } => Some(text.as_str()),
            Line::Log { .. } | Line::Shown { .. } => None,
        })
    }

    /// The log's lines of this level or a more urgent one.
    pub fn log(&self, least: Level) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(move |line| match line {
            Line::Log { level, text } if *level <= least => Some(text.as_str()),
            _ => None,
        })
    }

    /// Everything that the consoles showed besides the log.
    pub fn shown(&self) -> String {
        self.lines.iter().map(|line| if let Line::Shown { text } = line { text.as_str() } else { "" }).collect()
    }

    pub(super) fn show(&mut self, text: &str) {
        match self.lines.last_mut() {
            Some(Line::Shown { text: before }) => before.push_str(text),
            _ => self.lines.push(Line::Shown { text: text.to_owned() }),
        }
    }

    pub(super) fn change<T>(&mut self, text: String, done: &io::Result<T>) {
        let refused = done.as_ref().err().map(|error| {
            let text = error.to_string();
            text.split_once(" (os error").map_or(text.clone(), |(plain, _)| plain.to_owned())
        });
        self.lines.push(Line::Change { text, refused });
    }

    pub(super) fn say(&mut self, level: Level, text: &str) {
        self.lines.push(Line::Log { level, text: text.to_owned() });
    }
}

/// One line each: a change as it is, with ` -> ` and the error where it was refused; behind `#` what the console shows.
impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            match line {
                Line::Change { text, refused: None } => writeln!(f, "{text}")?,
                Line::Change { text, refused: Some(why) } => writeln!(f, "{text} -> {why}")?,
                Line::Log { level, text } if *level <= Level::Notice => {
                    writeln!(f, "# {}: {text}", format!("{level:?}").to_lowercase())?;
                }
                Line::Shown { text } => {
                    for line in text.lines() {
                        writeln!(f, "{}", format!("| {line}").trim_end())?;
                    }
                }
                Line::Log { .. } => {}
            }
        }
        Ok(())
    }
}
