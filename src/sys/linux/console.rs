//! The consoles as something to type at: every one that the kernel writes to, the screen and the serial line alike.
//!
//! Bytes are taken one by one, without echo: a pass phrase must not be shown, and a key should act at once. What was set
//! before is set again by [`Consoles::close`], because a shell and the real init expect a usual terminal.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};

/// Which consoles the kernel writes to (kernel: Documentation/ABI/testing/sysfs-tty).
const ACTIVE: &str = "/sys/class/tty/console/active";
/// How long a console may take nothing before the rest of a text is left out.
const STALLED: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// More than a person types between two looks.
const MOST: usize = 256;

/// A terminal, and how it was.
#[derive(Debug)]
struct Terminal {
    file: File,
    before: Termios,
}

/// See the module's own text.
#[derive(Debug, Default)]
pub(super) struct Consoles {
    open: Vec<Terminal>,
}

impl Consoles {
    /// Opens those that are not open yet; gives how many there are. One that is no terminal, or has gone, is left out.
    pub(super) fn open(&mut self) -> usize {
        if self.open.is_empty() {
            let active = std::fs::read_to_string(ACTIVE).unwrap_or_default();
            self.open = active.split_whitespace().filter_map(terminal).collect();
        }
        self.open.len()
    }

    pub(super) fn close(&mut self) {
        for terminal in self.open.drain(..) {
            // A terminal that has gone has nothing to be set.
            let _ = tcsetattr(&terminal.file, OptionalActions::Now, &terminal.before);
        }
    }

    /// To be waited for.
    pub(super) fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.open.iter().map(|terminal| PollFd::new(&terminal.file, PollFlags::IN))
    }

    /// What was typed, on all of them. One that has hung up is let go, or it would be ready for ever.
    pub(super) fn typed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.open.retain_mut(|terminal| {
            let mut buffer = [0; MOST];
            match terminal.file.read(&mut buffer) {
                Ok(0) => false,
                Ok(length) => {
                    bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    true
                }
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            }
        });
        bytes
    }

    /// Where there is no console at all there is nobody to show it to.
    pub(super) fn show(&mut self, text: &str) {
        let text = printable(text);
        for terminal in &mut self.open {
            write(&terminal.file, text.as_bytes());
        }
    }
}

/// Writes all of it, at the pace of the line: 115200 baud are 11 kB/s. One that takes nothing for a while has nobody behind
/// it who would miss it; a boot must not hang on a cable.
fn write(mut file: &File, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !matches!(poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&STALLED)), Ok(1..)) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

fn terminal(name: &str) -> Option<Terminal> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(format!("/dev/{name}"), flags, Mode::empty()).ok()?);
    let before = tcgetattr(&file).ok()?;
    let mut raw = before.clone();
    raw.make_raw();
    tcsetattr(&file, OptionalActions::Now, &raw).ok()?;
    Some(Terminal { file, before })
}

/// Names from a disk must not move a terminal's cursor; a raw terminal needs the carriage return.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\n' => out.push_str("\r\n"),
            '\x08' => out.push_str("\x08 \x08"),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_disk_cannot_move_the_cursor() {
        assert_eq!(printable("a\nb\x1b[2J\x08"), "a\r\nb\\u{1b}[2J\x08 \x08");
    }
}
