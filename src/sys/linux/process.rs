//! Other programs: in the new root, and the emergency shell.
#![allow(unsafe_code)] // Command::pre_exec, for chroot between fork and exec

use crate::op::Program;
use crate::sys::{End, Halt};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The search path of the new root; the initramfs' own may be shorter.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a program may take to clean up after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// A line of output longer than this is cut.
const LONGEST_LINE: usize = 800;
/// The initramfs' shells, with the arguments that make them one.
const SHELLS: [(&str, &[&str]); 3] =
    [("/bin/sh", &["-i"]), ("/bin/busybox", &["sh", "-i"]), ("/usr/bin/busybox", &["sh", "-i"])];

/// Runs a program in its root, in a session of its own, with its output in a pipe.
pub(super) fn run(program: &Program, line: &mut dyn FnMut(&str)) -> io::Result<End> {
    let (output, child_output) = io::pipe()?;
    let null = OpenOptions::new().read(true).open(Path::new(&program.root).join("dev/null"))?;
    let mut command = Command::new(&program.path);
    let root = program.root.clone();
    command.env_clear().env("PATH", PATH).env("HOME", "/root").env("TERM", "linux").stdin(Stdio::from(null));
    command.args(&program.arguments).envs(program.environment.iter().map(|(name, value)| (name, value)));
    command.stdout(child_output.try_clone()?).stderr(child_output);
    // SAFETY: between fork and exec only system calls are made; nothing allocates or takes a lock.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            rustix::process::chroot(root.as_str())?;
            rustix::process::chdir("/")?;
            Ok(())
        });
    }
    let mut child = command.spawn()?;
    drop(command); // it holds the pipe's other end
    follow(&mut child, output, program.limit, line)
}

/// Reads until the program ends, or ends it at its limit.
fn follow(child: &mut Child, mut output: PipeReader, limit: Duration, line: &mut dyn FnMut(&str)) -> io::Result<End> {
    let pid = Pid::from_child(child);
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Instant::now() + limit;
    let mut lines = Lines::default();
    let mut open = true;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            end_group(child, pid)?;
            lines.finish(line);
            return Ok(End::TimedOut);
        }
        let timeout = left.try_into().map_err(io::Error::other)?;
        let mut both = [PollFd::new(&process, PollFlags::IN), PollFd::new(&output, PollFlags::IN)];
        let (first, _) = both.split_at_mut(1);
        let polled = if open { poll(&mut both, Some(&timeout)) } else { poll(first, Some(&timeout)) };
        match polled {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let (ended, readable) = (!both[0].revents().is_empty(), open && !both[1].revents().is_empty());
        if readable {
            let mut buffer = [0; 4096];
            let length = output.read(&mut buffer)?;
            open = length > 0;
            lines.add(buffer.get(..length).unwrap_or_default(), line);
        } else if ended {
            // All that it wrote was read; what a program left in the background writes is not waited for.
            lines.finish(line);
            return Ok(end(child.wait()?));
        }
    }
}

fn end(status: ExitStatus) -> End {
    status.signal().map_or_else(|| End::Exited(status.code().unwrap_or(-1)), End::Signalled)
}

/// SIGTERM to the whole group, and SIGKILL to what is left.
fn end_group(child: &mut Child, pid: Pid) -> io::Result<()> {
    // The group may be gone already; its leader is reaped below either way.
    let _ = rustix::process::kill_process_group(pid, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while child.try_wait()?.is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    child.wait().map(|_| ())
}

/// Bytes to lines.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn add(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\n' => self.finish(line),
                _ if self.0.len() < LONGEST_LINE => self.0.push(*byte),
                _ => {}
            }
        }
    }

    fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.0.is_empty() {
            line(String::from_utf8_lossy(&self.0).trim_end());
            self.0.clear();
        }
    }
}

/// A shell on the real console: job control needs a terminal, which /dev/console is not.
pub(super) fn shell() -> io::Result<()> {
    let (path, arguments) = SHELLS
        .iter()
        .find(|(path, _)| std::fs::metadata(path).is_ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the initramfs has none"))?;
    let terminal = open_terminal()?;
    let mut command = Command::new(path);
    command.args(*arguments).env("PS1", "(isolde) # ").env("TERM", "linux").env("PATH", PATH);
    command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    // SAFETY: between fork and exec only system calls are made; nothing allocates or takes a lock.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            // Without a controlling terminal there is no job control, and still a shell.
            let _ = rustix::process::ioctl_tiocsctty(rustix::stdio::stdin());
            Ok(())
        });
    }
    let child = command.spawn()?;
    // Process 1 has to reap everybody's orphans while it waits for its own child.
    let shell = Pid::from_child(&child);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, _))) if pid == shell => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The last of the active consoles is the one that /dev/console writes to.
fn open_terminal() -> io::Result<File> {
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let name = active.split_whitespace().last().unwrap_or("console");
    OpenOptions::new().read(true).write(true).open(format!("/dev/{name}"))
}

/// The console of the present root takes the place of the former one's, whose /dev would stay busy.
pub(super) fn let_go() -> io::Result<()> {
    let console = OpenOptions::new().read(true).write(true).open("/dev/console");
    let console = console.or_else(|_| OpenOptions::new().read(true).write(true).open("/dev/null"))?;
    rustix::stdio::dup2_stdin(&console)?;
    rustix::stdio::dup2_stdout(&console)?;
    rustix::stdio::dup2_stderr(&console)?;
    drop(console);
    rustix::process::chdir("/")?;
    // Whoever executed this may have left files open that are not marked to be closed.
    // SAFETY: no value of this process owns any of these descriptors; the log opens its own when it is next written to.
    match unsafe { libc::close_range(3, libc::c_uint::MAX, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `kill(2)` of -1, which as process 1 is everybody else.
pub(super) fn end_others() -> io::Result<()> {
    // SAFETY: kill(2) touches no memory of this process.
    match unsafe { libc::kill(-1, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `sync(2)`, `reboot(2)`.
pub(super) fn halt(how: Halt) -> io::Result<Infallible> {
    rustix::fs::sync();
    let command = match how {
        Halt::Reboot => rustix::system::RebootCommand::Restart,
        Halt::PowerOff => rustix::system::RebootCommand::PowerOff,
        Halt::Halt => rustix::system::RebootCommand::Halt,
        Halt::Kexec => rustix::system::RebootCommand::Kexec,
    };
    rustix::system::reboot(command)?;
    Err(io::Error::other("reboot(2) returned"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow_shell(script: &str, limit: Duration) -> (End, Vec<String>) {
        let (output, child_output) = io::pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).process_group(0);
        command.stdout(child_output.try_clone().unwrap()).stderr(child_output);
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut lines = Vec::new();
        let end = follow(&mut child, output, limit, &mut |line| lines.push(line.to_owned())).unwrap();
        (end, lines)
    }

    #[test]
    fn output_and_status_come_back() {
        let (end, lines) = follow_shell("echo one; echo two >&2; printf three; exit 3", Duration::from_secs(20));
        assert_eq!((end, lines), (End::Exited(3), vec!["one".into(), "two".into(), "three".into()]));
        assert_eq!(follow_shell("kill -9 $$", Duration::from_secs(20)).0, End::Signalled(9));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let start = Instant::now();
        let (end, lines) =
            follow_shell("trap '' TERM; echo begun; sleep 600 & wait; sleep 600", Duration::from_millis(300));
        assert_eq!((end, lines), (End::TimedOut, vec!["begun".to_owned()]));
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_background_child_is_not_waited_for() {
        let (end, _) = follow_shell("sleep 5 & echo begun", Duration::from_secs(20));
        assert_eq!(end, End::Exited(0));
    }
}
