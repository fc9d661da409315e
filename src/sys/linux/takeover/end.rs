//! Waiting for a process until it asks the kernel to stop the machine: only then it is known how.

use super::{LONG_MODE, Registers, Stop, Tracee, stop};
use crate::sys::Halt;
use rustix::io::Errno;
use std::io;

/// Waits until the process, or a child that it makes from now on, calls `reboot(2)`, and lets that call come to nothing; gives
/// what was asked for. The process is held at its next call. Until then it kills nobody by a signal to all processes, as
/// this one would be among them.
pub(in super::super) fn await_end(pid: u32) -> io::Result<(Tracee, Halt)> {
    let children = libc::PTRACE_O_TRACEFORK | libc::PTRACE_O_TRACEVFORK | libc::PTRACE_O_TRACECLONE;
    let tracee = Tracee::seize(pid, children)?;
    match tracee.follow() {
        Ok(halt) => Ok((tracee, halt)),
        Err(error) => {
            tracee.let_go();
            Err(error)
        }
    }
}

impl Tracee {
    /// See [`await_end`].
    fn follow(self) -> io::Result<Halt> {
        loop {
            let (who, stop) = any_stop()?;
            match who.attend(stop) {
                Ok(Some((halt, registers))) => {
                    self.forgo(who, registers)?;
                    return Ok(halt);
                }
                // A child can be killed at any time.
                Err(error) if who == self => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Lets a process that has stopped go on, unless it asks for the end.
    fn attend(self, stop: Stop) -> io::Result<Option<(Halt, Registers)>> {
        match stop {
            Stop::Ended => return Err(Errno::SRCH.into()),
            Stop::Signal(signal) => self.go_on(signal)?,
            Stop::Executed => self.go_on(0)?,
            Stop::Call => {
                if let Some(registers) = self.begun()? {
                    match wish(&registers) {
                        Wish::KillAll => self.skip(registers)?,
                        Wish::End(halt) => return Ok(Some((halt, registers))),
                        Wish::Other => {}
                    }
                }
                self.go_on(0)?;
            }
        }
        Ok(None)
    }

    /// The end that was asked for does not come. A child was made for nothing else, so that process 1 does not end itself
    /// (reboot(2)): it ends.
    fn forgo(self, who: Tracee, registers: Registers) -> io::Result<()> {
        if who == self {
            self.skip(registers)?;
            return self.go_on(0);
        }
        let exit = u64::try_from(libc::SYS_exit_group).map_err(io::Error::other)?;
        who.set_registers(Registers { orig_rax: exit, rdi: 0, ..registers })?;
        who.let_go();
        Ok(())
    }
}

/// The next stop of any process that is traced, however long that takes.
fn any_stop() -> io::Result<(Tracee, Stop)> {
    loop {
        let mut status = 0;
        // SAFETY: the kernel writes a status, for which there is room.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) } {
            -1 if io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
            -1 => return Err(io::Error::last_os_error()),
            pid => return Ok((Tracee(pid), stop(status))),
        }
    }
}

/// A call that matters when the machine is to stop.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// SIGKILL to all processes.
    KillAll,
    /// The end, in this way.
    End(Halt),
    Other,
}

/// What a call asks for: `kill(2)`, and the commands of `reboot(2)` that stop the machine (linux/reboot.h). Pure.
fn wish(registers: &Registers) -> Wish {
    let (all, kill) = ((-1i32).cast_unsigned(), libc::SIGKILL.cast_unsigned());
    // The kernel takes these arguments as numbers of 32 bits.
    let number = |register: u64| u32::try_from(register & u64::from(u32::MAX)).unwrap_or_default();
    match registers.orig_rax.try_into() {
        // Those of 32-bit programs have other numbers.
        _ if registers.cs != LONG_MODE => Wish::Other,
        Ok(libc::SYS_kill) if number(registers.rdi) == all && number(registers.rsi) == kill => Wish::KillAll,
        Ok(libc::SYS_reboot) => match number(registers.rdx) {
            0x0123_4567 | 0xa1b2_c3d4 => Wish::End(Halt::Reboot),
            0x4321_fedc => Wish::End(Halt::PowerOff),
            0xcdef_0123 => Wish::End(Halt::Halt),
            0x4558_4543 => Wish::End(Halt::Kexec),
            _ => Wish::Other,
        },
        _ => Wish::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A real call of these would stop the machine that runs the tests.
    #[test]
    fn only_the_calls_that_stop_the_machine_are_wishes() {
        let of = |number: i64, arguments: [u64; 3]| {
            // SAFETY: all fields are numbers.
            let nothing: Registers = unsafe { std::mem::zeroed() };
            let [rdi, rsi, rdx] = arguments;
            Registers { orig_rax: number.cast_unsigned(), cs: LONG_MODE, rdi, rsi, rdx, ..nothing }
        };
        let call = |number, arguments| wish(&of(number, arguments));
        let compatible = |number, arguments| wish(&Registers { cs: 0x23, ..of(number, arguments) });
        let (all, kill, term) = (u64::MAX, 9, 15);
        assert_eq!(call(libc::SYS_kill, [all, kill, 0]), Wish::KillAll);
        assert_eq!(call(libc::SYS_kill, [u64::from(u32::MAX), kill, 0]), Wish::KillAll);
        assert_eq!(call(libc::SYS_kill, [all, term, 0]), Wish::Other);
        assert_eq!(call(libc::SYS_kill, [77, kill, 0]), Wish::Other);
        let reboot = |command: i32| call(libc::SYS_reboot, [0xfee1_dead, 672_274_793, command as u64]);
        assert_eq!(reboot(libc::RB_AUTOBOOT), Wish::End(Halt::Reboot));
        assert_eq!(reboot(libc::RB_POWER_OFF), Wish::End(Halt::PowerOff));
        assert_eq!(reboot(libc::RB_HALT_SYSTEM), Wish::End(Halt::Halt));
        assert_eq!(reboot(libc::RB_KEXEC), Wish::End(Halt::Kexec));
        for other in [libc::RB_ENABLE_CAD, libc::RB_DISABLE_CAD] {
            assert_eq!(reboot(other), Wish::Other);
        }
        assert_eq!(compatible(libc::SYS_kill, [all, kill, 0]), Wish::Other);
        assert_eq!(call(-1, [all, kill, 0]), Wish::Other);
    }
}
