//! Another process executes a program of ours in its own place: ptrace(2).
//!
//! It is let go on until it next asks the kernel for something, and then it asks for `execve(2)` instead. Nothing of it has to
//! be known but how this processor hands a system call over (syscall(2)). Signals on their way to it are delivered.
#![allow(unsafe_code)] // ptrace(2), which rustix does not have

#[cfg(target_arch = "x86_64")]
mod end;

#[cfg(target_arch = "x86_64")]
pub(super) use end::await_end;

use rustix::io::Errno;
use std::ffi::{c_uint, c_void};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::ptr::null_mut;
use std::time::Duration;

/// Stops of the process that are looked at before it is let go; process 1 makes few calls and gets few signals.
const MOST_STOPS: usize = 1000;
/// How often, and how long each time, a stop is waited for: 20 s. A process 1 that only waits stops at once.
const PATIENCE: usize = 2000;
const SOON: Duration = Duration::from_millis(10);

/// Has the process execute the program with one argument and no environment. Returns when the program runs; after a failure
/// the process goes on as it was.
pub(super) fn execute(pid: u32, program: &str, argument: &str) -> io::Result<()> {
    Tracee::seize(pid, 0)?.replace(program, argument)
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn await_end(_: u32) -> io::Result<(Tracee, crate::sys::Halt)> {
    Err(Errno::NOSYS.into())
}

/// A process that this one traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tracee(libc::pid_t);

/// What a stop is for (ptrace(2), "Stopped states").
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// A system call begins or ends.
    Call,
    /// It has executed something.
    Executed,
    /// A signal is on its way to it; 0 for a stop that is none of these.
    Signal(i32),
    /// None: it has ended.
    Ended,
}

/// The registers (`struct user_regs_struct`, sys/user.h).
#[cfg(target_arch = "x86_64")]
type Registers = libc::user_regs_struct;

impl Tracee {
    fn seize(pid: u32, further: i32) -> io::Result<Tracee> {
        let tracee = Tracee(pid.try_into().map_err(io::Error::other)?);
        tracee.request(libc::PTRACE_SEIZE, libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACEEXEC | further)?;
        tracee.request(libc::PTRACE_INTERRUPT, 0)?;
        Ok(tracee)
    }

    /// See [`execute`].
    pub(super) fn replace(self, program: &str, argument: &str) -> io::Result<()> {
        let done = self.execute(program, argument);
        self.let_go();
        done
    }

    /// `ptrace(2)` with a number in its last argument.
    fn request(self, request: c_uint, data: i32) -> io::Result<()> {
        let data = usize::try_from(data).map_err(io::Error::other)? as *mut c_void;
        self.pointer_request(request, data)
    }

    fn pointer_request(self, request: c_uint, data: *mut c_void) -> io::Result<()> {
        // SAFETY: of the requests made here only PTRACE_GETREGS writes to memory of this process, into the value that its
        // caller gave.
        match unsafe { libc::ptrace(request, self.0, null_mut::<c_void>(), data) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// Waits for its next stop, not for ever: it may be stuck in the kernel.
    fn wait(self) -> io::Result<Stop> {
        for _ in 0..PATIENCE {
            let mut status = 0;
            // SAFETY: the kernel writes a status, for which there is room.
            match unsafe { libc::waitpid(self.0, &raw mut status, libc::__WALL | libc::WNOHANG) } {
                -1 => return Err(io::Error::last_os_error()),
                0 => std::thread::sleep(SOON),
                _ => return Ok(stop(status)),
            }
        }
        Err(Errno::TIMEDOUT.into())
    }

    /// Lets it run to its next call, with that signal; passes over what is no call.
    fn next_call(self) -> io::Result<Stop> {
        for _ in 0..MOST_STOPS {
            match self.wait()? {
                Stop::Signal(signal) => self.go_on(signal)?,
                Stop::Ended => return Err(Errno::SRCH.into()),
                stop => return Ok(stop),
            }
        }
        Err(Errno::TIMEDOUT.into())
    }

    /// Lets it run to its next call, with a signal or none (0).
    fn go_on(self, signal: i32) -> io::Result<()> {
        self.request(libc::PTRACE_SYSCALL, signal)
    }

    fn let_go(self) {
        // It fails when the process has ended.
        let _ = self.request(libc::PTRACE_DETACH, 0);
    }
}

#[cfg(target_arch = "x86_64")]
impl Tracee {
    fn execute(self, program: &str, argument: &str) -> io::Result<()> {
        let registers = self.begin_call()?;
        if registers.cs != LONG_MODE {
            // Its calls have other numbers.
            return Err(Errno::NOEXEC.into());
        }
        let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", self.0))?;
        // What it has on its stack it does not need any more; below there may be no memory.
        let words = arguments(registers.rsp, program, argument);
        let mut before = vec![0; words.len()];
        memory.read_exact_at(&mut before, registers.rsp)?;
        memory.write_all_at(&words, registers.rsp)?;
        let call = Registers {
            orig_rax: u64::try_from(libc::SYS_execve).map_err(io::Error::other)?,
            rdi: registers.rsp + POINTERS,
            rsi: registers.rsp,
            rdx: registers.rsp + POINTERS - WORD,
            ..registers
        };
        self.set_registers(call)?;
        self.go_on(0)?;
        if self.next_call()? == Stop::Executed {
            return Ok(());
        }
        let refused = self.registers()?.rax.cast_signed();
        memory.write_all_at(&before, registers.rsp)?;
        // Back to before the instruction, with the call that it wanted to make.
        self.set_registers(Registers { rip: registers.rip - INSTRUCTION, rax: registers.orig_rax, ..registers })?;
        Err(io::Error::from_raw_os_error(i32::try_from(-refused).unwrap_or(libc::EIO)))
    }

    /// Lets it run until a call of its own begins, and gives what it asks for.
    fn begin_call(self) -> io::Result<Registers> {
        for _ in 0..MOST_STOPS {
            if self.next_call()? == Stop::Call
                && let Some(registers) = self.begun()?
            {
                return Ok(registers);
            }
            self.go_on(0)?;
        }
        Err(Errno::TIMEDOUT.into())
    }

    /// What is asked for, when it has stopped where a call begins. Until the kernel has an answer, this one is there
    /// (arch/x86/entry/entry_64.S).
    fn begun(self) -> io::Result<Option<Registers>> {
        let registers = self.registers()?;
        Ok((registers.rax.cast_signed() == -i64::from(libc::ENOSYS)).then_some(registers))
    }

    /// The call that begins comes to nothing; stops where it ends.
    fn skip(self, registers: Registers) -> io::Result<()> {
        self.set_registers(Registers { orig_rax: u64::MAX, ..registers })?;
        self.go_on(0)?;
        self.next_call().map(drop)
    }

    fn registers(self) -> io::Result<Registers> {
        let mut registers = std::mem::MaybeUninit::<Registers>::zeroed();
        self.pointer_request(libc::PTRACE_GETREGS, registers.as_mut_ptr().cast())?;
        // SAFETY: all its fields are numbers, for which zero is a value; the kernel has written them.
        Ok(unsafe { registers.assume_init() })
    }

    fn set_registers(self, mut registers: Registers) -> io::Result<()> {
        self.pointer_request(libc::PTRACE_SETREGS, (&raw mut registers).cast())
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Tracee {
    fn execute(self, _: &str, _: &str) -> io::Result<()> {
        Err(Errno::NOSYS.into())
    }
}

/// The code segment of a process that runs 64-bit code (`__USER_CS`, arch/x86/include/asm/segment.h).
#[cfg(target_arch = "x86_64")]
const LONG_MODE: u64 = 0x33;
/// Bytes of the instruction `syscall`.
#[cfg(target_arch = "x86_64")]
const INSTRUCTION: u64 = 2;
/// Bytes of a pointer, and of the three that [`arguments`] begins with.
const WORD: u64 = 8;
const POINTERS: u64 = 3 * WORD;

/// What `execve(2)` wants in memory, for this address: two pointers and the end of their list, which is an empty environment as
/// well, then the texts. Pure.
fn arguments(at: u64, program: &str, argument: &str) -> Vec<u8> {
    let first = at + POINTERS;
    let second = first + program.len() as u64 + 1;
    let mut bytes: Vec<u8> = [first, second, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
    for text in [program, argument] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// What the status of `waitpid(2)` says. Pure.
fn stop(status: i32) -> Stop {
    if !libc::WIFSTOPPED(status) {
        return Stop::Ended;
    }
    match (libc::WSTOPSIG(status), status >> 16) {
        (libc::SIGTRAP, libc::PTRACE_EVENT_EXEC) => Stop::Executed,
        (signal, 0) if signal == libc::SIGTRAP | 0x80 => Stop::Call,
        (signal, 0) => Stop::Signal(signal),
        _ => Stop::Signal(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> Child {
        let mut sleep = Command::new("sleep");
        sleep.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        sleep.spawn().unwrap()
    }

    #[test]
    fn a_sleeping_process_executes_another_program() {
        let folder = std::env::temp_dir().join(format!("isolde-takeover-{}", std::process::id()));
        let mut child = sleeper();
        execute(child.id(), "/bin/mkdir", folder.to_str().unwrap()).unwrap();
        assert!(child.wait().unwrap().success());
        std::fs::remove_dir(folder).unwrap();
    }

    #[test]
    fn what_cannot_be_executed_leaves_the_process_as_it_was() {
        let mut child = sleeper();
        let error = execute(child.id(), "/nowhere/program", "argument").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        std::thread::sleep(Duration::from_millis(200));
        assert!(child.try_wait().unwrap().is_none(), "it sleeps on");
        execute(child.id(), "/bin/false", "").unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }

    #[test]
    fn a_process_that_has_ended_is_an_error() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(execute(pid, "/bin/true", "").is_err());
    }

    #[test]
    fn the_arguments_are_where_the_pointers_say() {
        let bytes = arguments(1000, "/a", "bc");
        assert_eq!(&bytes[24..], b"/a\0bc\0");
        let words: Vec<u64> =
            bytes[..24].chunks(8).map(|eight| u64::from_ne_bytes(eight.try_into().unwrap())).collect();
        assert_eq!(words, [1024, 1027, 0]);
    }
}
