//! Lists of BLAKE3 checksums as `b3sum` writes them.
//!
//! Takes   the bytes of a list: `<64 hex digits>  <name>`, the form of `--tag` (`BLAKE3 (<name>) = <64 hex digits>`), or the
//!         digits alone (`--no-names`). A backslash before the line says that the name has `\\`, `\n` and `\r` escaped. Lines
//!         may end with CR LF; empty ones count for nothing.
//! Gives   the entries, in order.
//! Fails   at the first other line, by number: a list that is damaged in one place proves nothing.

use super::FormatError;

/// A checksum and what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// BLAKE3 of the contents.
    pub digest: [u8; 32],
    /// As it was given to b3sum; empty in the form without names. What is not UTF-8 became U+FFFD, as b3sum does it.
    pub name: String,
}

const WANTED: &str = "\"<64 hex digits>  <name>\", \"BLAKE3 (<name>) = <64 hex digits>\" or 64 hex digits";

/// Reads a list.
///
/// # Errors
/// [`FormatError::Line`] with the first line that has another form.
pub fn parse(text: &[u8]) -> Result<Vec<Entry>, FormatError> {
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let entry =
            entry(line).ok_or_else(|| FormatError::Line { line: number, expected: WANTED, seen: shown(line) })?;
        entries.push(entry);
    }
    Ok(entries)
}

/// Finds the checksum of `file_name`, which is a name without directories.
///
/// An entry that is just this name, or `./` and this name, counts first. Otherwise an entry in another directory does, as
/// in a list that was made with full paths on another machine. A list that is one checksum without a name is of any file.
///
/// # Errors
/// [`FormatError::Conflict`] when entries that count equally have different checksums.
pub fn find(entries: &[Entry], file_name: &str) -> Result<Option<[u8; 32]>, FormatError> {
    let here = |entry: &&Entry| entry.name.strip_prefix("./").unwrap_or(&entry.name) == file_name;
    let elsewhere = |entry: &&Entry| entry.name.rsplit('/').next() == Some(file_name);
    let nameless = |entry: &&Entry| entry.name.is_empty();
    if let Some(digest) = agreed(entries.iter().filter(here), file_name)? {
        return Ok(Some(digest));
    }
    if let Some(digest) = agreed(entries.iter().filter(elsewhere), file_name)? {
        return Ok(Some(digest));
    }
    if entries.iter().all(|entry| nameless(&entry)) { agreed(entries.iter(), file_name) } else { Ok(None) }
}

/// The checksum that all of them have.
fn agreed<'a>(mut entries: impl Iterator<Item = &'a Entry>, name: &str) -> Result<Option<[u8; 32]>, FormatError> {
    let Some(first) = entries.next() else { return Ok(None) };
    if entries.any(|entry| entry.digest != first.digest) {
        return Err(FormatError::Conflict { name: name.into() });
    }
    Ok(Some(first.digest))
}

fn entry(line: &[u8]) -> Option<Entry> {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digits, name) = match line.strip_prefix(b"BLAKE3 (") {
        Some(rest) => {
            let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
            (digits, rest.strip_suffix(b") = ")?)
        }
        None => {
            let (digits, rest) = line.split_at_checked(64)?;
            (digits, if rest.is_empty() { rest } else { rest.strip_prefix(b"  ").filter(|name| !name.is_empty())? })
        }
    };
    let name = String::from_utf8_lossy(name);
    Some(Entry { digest: digest(digits)?, name: if escaped { unescape(&name)? } else { name.into_owned() } })
}

fn digest(digits: &[u8]) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            *byte = *byte << 4 | u8::try_from(char::from(digit).to_digit(16)?).ok()?;
        }
    }
    Some(digest)
}

/// A name without the escapes that b3sum and coreutils write in lines that begin with a backslash; `None` where there is
/// another one.
#[must_use]
pub fn unescape(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

/// A line for a message: printable, and not longer than fits on a screen.
fn shown(line: &[u8]) -> String {
    let start: String = String::from_utf8_lossy(line).chars().take(100).collect();
    start.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
