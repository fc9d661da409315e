//! The kernel's log, and the console for what somebody must see.

use crate::sys::Level;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

/// One write is one record, and a record holds less than 1 KiB with its header (kernel: printk.c, LOG_LINE_MAX).
const LONGEST: usize = 900;
/// How the kernel limits what is written to /dev/kmsg (kernel: admin-guide/sysctl/kernel.rst).
const LIMIT: &str = "/proc/sys/kernel/printk_devkmsg";
/// A record of /dev/kmsg with all its lines (kernel: printk.c, CONSOLE_EXT_LOG_MAX).
const LARGEST_RECORD: usize = 8192;
/// Lines that are kept until there is a log.
const MOST_KEPT: usize = 64;

/// See the module's own text.
#[derive(Debug, Default)]
pub(super) struct Log {
    kmsg: Option<File>,
    kept: Vec<(Level, String)>,
    /// The limit that was set before; `Some` once it is lifted.
    limit: Option<String>,
}

impl Log {
    /// Writes a line. There is nobody to tell when that fails.
    pub(super) fn write(&mut self, level: Level, line: &str) {
        if self.kmsg.is_none() {
            self.kmsg = OpenOptions::new().write(true).open("/dev/kmsg").ok();
        }
        if self.kmsg.is_none() {
            if self.kept.len() < MOST_KEPT {
                self.kept.push((level, line.to_owned()));
            }
            return;
        }
        if self.limit.is_none() {
            self.lift_limit();
        }
        for (level, line) in std::mem::take(&mut self.kept) {
            self.emit(level, &line);
        }
        self.emit(level, line);
    }

    fn emit(&mut self, level: Level, line: &str) {
        for piece in pieces(line) {
            if let Some(kmsg) = &mut self.kmsg {
                let _ = kmsg.write_all(format!("<{}>isolde: {piece}\n", level as u8).as_bytes());
            }
            if level <= Level::Notice
                && !on_console(level)
                && let Ok(mut console) = OpenOptions::new().write(true).open("/dev/console")
            {
                let _ = console.write_all(format!("isolde: {piece}\r\n").as_bytes());
            }
        }
    }

    /// Ten lines in five seconds is the default; a stage at debug has more.
    fn lift_limit(&mut self) {
        if let Ok(before) = std::fs::read_to_string(LIMIT) {
            // Where the command line fixed it (printk.devkmsg=), it stays as the user wants it.
            let _ = std::fs::write(LIMIT, "on\n");
            self.limit = Some(before);
        }
    }

    /// Leaves the limit as it was.
    pub(super) fn restore(&mut self) {
        if let Some(before) = &self.limit {
            let _ = std::fs::write(LIMIT, before);
        }
    }
}

/// Whether the kernel shows this level on the console by itself: below the first number of /proc/sys/kernel/printk.
fn on_console(level: Level) -> bool {
    let text = std::fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
    let limit = text.split_whitespace().next().and_then(|number| number.parse::<u8>().ok());
    limit.is_none_or(|limit| (level as u8) < limit)
}

/// Cuts at line ends and before the longest record, at a character's border. Other control characters are shown, not
/// sent: text from a disk must not move a terminal's cursor.
fn pieces(line: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    for line in line.lines() {
        let mut piece = String::new();
        for letter in line.chars() {
            if piece.len() + 8 > LONGEST {
                pieces.push(std::mem::take(&mut piece));
            }
            if letter.is_control() { piece.extend(letter.escape_default()) } else { piece.push(letter) }
        }
        pieces.push(piece);
    }
    pieces
}

/// Every record that the kernel still has. A read gives one record: `priority,number,time,flags;text`, then lines that
/// begin with a blank and name the device (kernel: Documentation/ABI/testing/dev-kmsg).
pub(super) fn read_all() -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut kmsg = File::from(rustix::fs::open("/dev/kmsg", flags, Mode::empty())?);
    let mut buffer = [0; LARGEST_RECORD];
    let mut text = String::new();
    loop {
        match kmsg.read(&mut buffer) {
            Ok(0) => return Ok(text),
            Ok(length) => text.push_str(&record(buffer.get(..length).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(text),
            // The record was overwritten by newer ones meanwhile; the next read goes on with those.
            Err(error) if error.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
    }
}

/// `[seconds.microseconds] text`, as dmesg(1) prints it. Pure.
fn record(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (head, text) = text.split_once(';').unwrap_or(("", &text));
    let micros = head.split(',').nth(2).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    format!("[{:5}.{:06}] {}\n", micros / 1_000_000, micros % 1_000_000, text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_and_lose_nothing() {
        let line = "ä".repeat(2000);
        let all = pieces(&line);
        assert!(all.iter().all(|piece| piece.len() <= LONGEST));
        assert_eq!(all.concat(), line);
    }

    #[test]
    fn a_record_is_printed_as_dmesg_does() {
        let bytes = b"6,339,5140900,-;NET: Registered\n SUBSYSTEM=net\n";
        assert_eq!(record(bytes), "[    5.140900] NET: Registered\n");
        assert_eq!(record(b"garbage"), "[    0.000000] garbage\n");
    }

    #[test]
    fn one_line_is_one_record() {
        assert_eq!(pieces("a\nb"), ["a", "b"]);
        assert_eq!(pieces("a\x1b[2Jb"), ["a\\u{1b}[2Jb"]);
    }
}
