//! The serial console of a machine: read from the log into which QEMU prints it, typed at through QEMU's input.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ChildStdin;

use anyhow::{Context, Result};
use regex_lite::Regex;

/// Lines of the log in an error message.
const TAIL: usize = 25;

/// One line of the console.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Without colours and line end.
    pub text: String,
    /// The kernel's time stamp at the line's start, in seconds since the kernel started; programs' lines have none.
    pub seconds: Option<f64>,
}

/// The log, and how far it has been searched.
#[derive(Debug)]
pub(super) struct Console {
    log: PathBuf,
    /// Where keys go in.
    keys: Option<ChildStdin>,
    searched: usize,
}

impl Console {
    pub fn new(log: &Path, keys: Option<ChildStdin>) -> Self {
        Self { log: log.to_owned(), keys, searched: 0 }
    }

    /// The next line that matches. A line still being written counts too, so that a prompt without end is found.
    pub fn find(&mut self, patterns: &[Regex]) -> Result<Option<(usize, Line)>> {
        let bytes = self.bytes()?;
        let Some(mut rest) = bytes.get(self.searched..) else { return Ok(None) };
        while !rest.is_empty() {
            let (line, whole) = match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => (rest.get(..end).unwrap_or_default(), true),
                None => (rest, false),
            };
            let length = line.len() + usize::from(whole);
            let line = parsed(line);
            let found = patterns.iter().position(|pattern| pattern.is_match(&line.text));
            if whole || found.is_some() {
                self.searched += length;
            }
            if let Some(place) = found {
                return Ok(Some((place, line)));
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(None)
    }

    /// Types something.
    pub fn send(&mut self, keys: &str) -> Result<()> {
        let input = self.keys.as_mut().context("a console without a keyboard")?;
        input.write_all(keys.as_bytes()).context("write to the console")
    }

    pub fn text(&self) -> Result<String> {
        let bytes = self.bytes()?;
        Ok(bytes.split(|byte| *byte == b'\n').map(|line| parsed(line).text).collect::<Vec<_>>().join("\n"))
    }

    pub fn tail(&self) -> Result<String> {
        let text = self.text()?;
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n");
        Ok(format!("--- end of {}\n{last}", self.log.display()))
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        fs::read(&self.log).with_context(|| format!("read {}", self.log.display()))
    }
}

/// Patterns out of their text.
pub(super) fn compile(patterns: &[&str]) -> Result<Vec<Regex>> {
    patterns.iter().map(|pattern| Regex::new(pattern).with_context(|| format!("pattern {pattern}"))).collect()
}

/// A line as it reads: no colours, no carriage returns.
fn parsed(bytes: &[u8]) -> Line {
    let raw = String::from_utf8_lossy(bytes);
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' if rest.peek() == Some(&'[') => {
                // A control sequence ends with a character from @ to ~; the bracket itself is one of them.
                rest.next();
                while rest.next().is_some_and(|next| !('@'..='~').contains(&next)) {}
            }
            '\r' | '\x1b' => {}
            other => text.push(other),
        }
    }
    let seconds =
        text.strip_prefix('[').and_then(|rest| rest.split(']').next()).and_then(|time| time.trim().parse().ok());
    Line { text, seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_without_colours_and_gives_the_kernels_time() {
        let line = parsed(b"[    1.250000] \x1b[0;1;31minit: \x1b[0mstore\r");
        assert_eq!(line, Line { text: "[    1.250000] init: store".to_owned(), seconds: Some(1.25) });
        assert_eq!(parsed(b"[  OK  ] Started").seconds, None);
    }

    #[test]
    fn each_line_is_found_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "one\ntwo\none\n").unwrap();
        let mut console = Console::new(&log, None);
        let one = compile(&["two", "one"]).unwrap();
        let found: Vec<usize> = std::iter::from_fn(|| console.find(&one).unwrap().map(|(place, _)| place)).collect();
        assert_eq!(found, [1, 0, 1]);
    }

    #[test]
    fn a_prompt_without_end_is_found_and_a_half_line_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut console = Console::new(&log, None);
        let login = compile(&["login: $"]).unwrap();
        fs::write(&log, "debian lo").unwrap();
        assert_eq!(console.find(&login).unwrap(), None);
        fs::write(&log, "debian login: ").unwrap();
        assert_eq!(console.find(&login).unwrap().unwrap().1.text, "debian login: ");
    }
}
