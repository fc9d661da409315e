//! A root shell in the guest, on its second serial port.
//!
//! systemd starts it when the kernel words ask for it (systemd-debug-generator(8)), so nothing in the image is needed. A
//! command goes in as one quoted word of `sh -c`; its output comes back between two marks with its number.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Time for a command unless the caller gives another; emulated guests are slow.
const TIME: Duration = Duration::from_secs(60);

/// Time between two looks at the machine while its shell is not there yet.
const PATIENCE: Duration = Duration::from_millis(500);

/// Time between the prompt of a shell and its first answer.
const START: Duration = Duration::from_secs(15);

/// The terminal's line buffer holds 4096 bytes (N_TTY_BUF_SIZE in the kernel's n_tty.c); what is beyond is lost.
const LONGEST_LINE: usize = 4000;

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Exit status.
    pub status: i32,
    /// What it printed, output and errors mixed, as it would look on a terminal.
    pub output: String,
}

/// The shell.
#[derive(Debug)]
pub struct Shell {
    stream: UnixStream,
    pending: String,
    /// The beginning of a letter whose other bytes have not come yet.
    partial: Vec<u8>,
    number: u32,
}

impl Shell {
    pub(super) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("connect to the second serial port")?;
        stream.set_read_timeout(Some(Duration::from_millis(100))).context("set a time-out")?;
        Ok(Self { stream, pending: String::new(), partial: Vec::new(), number: 0 })
    }

    /// Is a shell there by now? Waits a moment for it. Nothing is typed before its prompt is seen, because the serial port
    /// would keep it all, for the shell to work through in the end.
    pub(super) fn greet(&mut self) -> Result<bool> {
        if self.number == 0 && self.read_until("", PATIENCE)?.is_none() {
            return Ok(false);
        }
        self.number += 1;
        let mark = format!("isolde-{}-ready", self.number);
        // The shell that systemd starts may be an editing bash; a plain one does not touch the terminal's settings. The
        // quotes keep the echo of this line from looking like the answer.
        self.send(&format!(
            "\nexec env PS1= PS2= ENV= TERM=dumb SYSTEMD_PAGER=cat sh -c 'stty -echo; echo isolde-\"{}\"-ready; exec sh'\n",
            self.number
        ))?;
        Ok(self.read_until(&mark, START)?.is_some())
    }

    /// Runs a command (any text for `sh -c`), for at most a minute.
    ///
    /// # Errors
    /// When it takes longer, or the machine ends. A status other than 0 is no error: see [`Answer::status`].
    pub fn run(&mut self, command: &str) -> Result<Answer> {
        self.run_within(command, TIME)
    }

    /// Runs a command, for at most that time.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_within(&mut self, command: &str, time: Duration) -> Result<Answer> {
        self.number += 1;
        let (begin, end) = (format!("isolde-{}-begin\n", self.number), format!("\nisolde-{}-end ", self.number));
        let request = request(command, self.number);
        if request.lines().any(|line| line.len() > LONGEST_LINE) {
            bail!("a line of the command is longer than {LONGEST_LINE} bytes: {command:.60}…");
        }
        self.send(&request)?;
        let limit = Instant::now() + time;
        let left = || limit.saturating_duration_since(Instant::now());
        let missing = || format!("`{command}` in the guest: no end within {} s", time.as_secs());
        self.read_until(&begin, left())?.with_context(missing)?;
        let Some(output) = self.read_until(&end, left())? else {
            bail!("{}; so far it printed:\n{}", missing(), self.pending);
        };
        let status = self.read_until("\n", START)?.with_context(missing)?;
        let status = status.trim().parse().with_context(|| format!("`{command}`: status {status:?}"))?;
        Ok(Answer { status, output })
    }

    /// Runs a command that must end with status 0, and gives what it printed.
    ///
    /// # Errors
    /// When it does not, or takes longer than a minute.
    pub fn check(&mut self, command: &str) -> Result<String> {
        let answer = self.run(command)?;
        if answer.status != 0 {
            bail!("`{command}` in the guest: status {}\n{}", answer.status, answer.output);
        }
        Ok(answer.output)
    }

    /// Types something, without waiting for an answer.
    pub(super) fn send(&mut self, keys: &str) -> Result<()> {
        self.stream.write_all(keys.as_bytes()).context("write to the root shell")
    }

    /// What comes before the next `mark`, or nothing when the time is over. The mark is used up. An empty mark is found
    /// as soon as there is anything.
    fn read_until(&mut self, mark: &str, time: Duration) -> Result<Option<String>> {
        let limit = Instant::now() + time;
        let mut bytes = [0; 4096];
        loop {
            if !self.pending.is_empty()
                && let Some((before, after)) = self.pending.split_once(mark)
            {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.pending = after;
                return Ok(Some(before));
            }
            if Instant::now() > limit {
                return Ok(None);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => bail!("the machine has ended"),
                Ok(count) => {
                    self.partial.extend(bytes.get(..count).unwrap_or_default());
                    self.pending.push_str(&whole_letters(&mut self.partial).replace('\r', ""));
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error).context("read from the root shell"),
            }
        }
    }
}

/// Takes out the letters that are whole. A serial port gives a few bytes at a time.
fn whole_letters(bytes: &mut Vec<u8>) -> String {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    let rest = bytes.split_off(whole);
    let text = String::from_utf8_lossy(bytes).into_owned();
    *bytes = rest;
    text
}

/// The line or lines to type for a command. Pure.
fn request(command: &str, number: u32) -> String {
    let quoted = command.replace('\'', r"'\''");
    format!(
        "printf 'isolde-%d-begin\\n' {number}; sh -c '{quoted}' </dev/null 2>&1; printf '\\nisolde-%d-end %d\\n' {number} $?\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell on the other end of a socket, in the place of a guest's.
    fn with_shell(test: impl FnOnce(&mut Shell)) {
        use std::process::{Command, Stdio};
        let (near, far) = UnixStream::pair().unwrap();
        near.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let far = std::os::fd::OwnedFd::from(far);
        let output = Stdio::from(far.try_clone().unwrap());
        let mut child =
            Command::new("sh").stdin(Stdio::from(far)).stdout(output).stderr(Stdio::null()).spawn().unwrap();
        test(&mut Shell { stream: near, pending: String::new(), partial: Vec::new(), number: 0 });
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn gives_status_and_output_of_each_command() {
        with_shell(|shell| {
            let answer = |status, output: &str| Answer { status, output: output.to_owned() };
            // A shell that is not on a terminal shows no prompt; the socket's other end is as good.
            shell.pending.push('#');
            assert!(shell.greet().unwrap());
            assert_eq!(shell.run("echo a; echo b >&2; exit 3").unwrap(), answer(3, "a\nb\n"));
            assert_eq!(shell.run("printf 'no end'").unwrap(), answer(0, "no end"));
            assert_eq!(shell.run("true").unwrap(), answer(0, ""));
            assert_eq!(shell.run("echo \"it's\"\necho 'two $HOME'").unwrap(), answer(0, "it's\ntwo $HOME\n"));
            assert_ne!(shell.run("if").unwrap().status, 0);
            assert!(shell.check("false").unwrap_err().to_string().starts_with("`false` in the guest: status 1"));
        });
    }

    #[test]
    fn a_letter_that_comes_in_parts_is_one_letter() {
        let mut bytes = vec![b'a', 0xe6, 0x97];
        assert_eq!((whole_letters(&mut bytes).as_str(), bytes.len()), ("a", 2));
        bytes.push(0xa5);
        assert_eq!((whole_letters(&mut bytes).as_str(), bytes.len()), ("日", 0));
        assert_eq!(whole_letters(&mut vec![0xff, b'b']), "\u{fffd}b");
    }

    #[test]
    fn a_command_that_hangs_is_an_error_with_what_it_printed() {
        with_shell(|shell| {
            let error = shell.run_within("echo started; sleep 5", Duration::from_millis(700)).unwrap_err().to_string();
            assert!(error.contains("no end within 0 s") && error.contains("started"), "{error}");
        });
    }
}
