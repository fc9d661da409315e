//! The kernel's own record of what process 1 executed, and when.
//!
//! Takes   the lines of the kernel's trace buffer with the event `sched_process_exec`.
//! Gives   [`Takeover`]: process 1 starts → the real init starts.
//! Fails   when an event was lost, or the real init never started.
//!
//! This measure is the same for all: every initrd ends in an exec of the real init by process 1, be it a shell script's
//! run-init, systemd's switch-root, or ours. Messages are not the same for all: systemd prints its first line after work
//! of its own, and less of it when another systemd started it. Recording costs about a microsecond for each program
//! started.

use anyhow::{Context, Result, bail};

/// Kernel words that switch the recording on. The clock is the one that does not differ between processors.
pub const WORDS: &str = "trace_event=sched:sched_process_exec trace_clock=mono trace_buf_size=4M";

/// Prints, in the guest, the header of the buffer that counts the events, and those of process 1.
pub const PRINT: &str = "mkdir -p /run/isolde-bench && mount -t tracefs tracefs /run/isolde-bench && \
                         grep -e entries-in-buffer -e ' pid=1 ' /run/isolde-bench/trace";

/// What the initrds execute as the real init; systemd's switch-root names its own path.
const REAL_INITS: [&str; 4] = ["/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd"];

/// The time that the benchmark is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Takeover {
    /// Kernel's clock in seconds when process 1 first executed a program: the initramfs's init.
    pub start: f64,
    /// The same, when it last did: the real init.
    pub end: f64,
}

/// Reads what [`PRINT`] printed. Pure.
pub fn takeover(text: &str) -> Result<Takeover> {
    let header = text.lines().find_map(|line| line.split_once("entries-in-buffer/entries-written: "));
    let counts =
        header.and_then(|(_, rest)| rest.split_whitespace().next()).context("no count of events in the trace")?;
    match counts.split_once('/') {
        Some((kept, written)) if kept == written => {}
        _ => bail!("trace: wanted all events, seen {counts} of them"),
    }
    let events: Vec<(f64, &str)> = text.lines().filter_map(event).collect();
    let (Some((start, first)), Some((end, last))) = (events.first(), events.last()) else {
        bail!("trace: process 1 executed nothing:\n{text}");
    };
    if *first != "/init" {
        bail!("trace: wanted /init as the first program of process 1, seen {first}");
    }
    if events.len() < 2 || !REAL_INITS.contains(last) {
        bail!("trace: wanted the real init as the last program of process 1, seen {last}");
    }
    Ok(Takeover { start: *start, end: *end })
}

/// An event such as `run-init-1 [000] ..... 2.345678: sched_process_exec: filename=/sbin/init pid=1 old_pid=1`.
fn event(line: &str) -> Option<(f64, &str)> {
    let (before, after) = line.split_once(": sched_process_exec: filename=")?;
    let (file, _) = after.split_once(" pid=1 ")?;
    Some((before.rsplit(' ').next()?.parse().ok()?, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(counts: &str, events: &[(&str, &str)]) -> String {
        let mut text = format!("# entries-in-buffer/entries-written: {counts}   #P:2\n");
        for (time, file) in events {
            text += &format!(
                "            init-1       [001] .....     {time}: sched_process_exec: filename={file} pid=1 old_pid=1\n"
            );
        }
        text
    }

    #[test]
    fn the_first_and_the_last_program_of_process_1_count() {
        let text = trace("3/3", &[("2.000000", "/init"), ("9.000000", "/bin/run-init"), ("9.500000", "/sbin/init")]);
        assert_eq!(takeover(&text).unwrap(), Takeover { start: 2.0, end: 9.5 });
        let text = trace("2/2", &[("2.250000", "/init"), ("2.750000", "/usr/lib/systemd/systemd")]);
        assert_eq!(takeover(&text).unwrap(), Takeover { start: 2.25, end: 2.75 });
    }

    #[test]
    fn other_processes_do_not_count() {
        let text = trace("2/2", &[("2.0", "/init"), ("3.0", "/sbin/init")])
            + " sh-12 [000] ..... 4.0: sched_process_exec: filename=/sbin/init pid=12 old_pid=12\n";
        assert_eq!(takeover(&text).unwrap().end, 3.0);
    }

    #[test]
    fn a_trace_that_proves_nothing_is_an_error() {
        let cases = [
            (String::new(), "no count of events"),
            (trace("0/0", &[]), "executed nothing"),
            (trace("2/5", &[("2.0", "/init"), ("3.0", "/sbin/init")]), "seen 2/5"),
            (trace("1/1", &[("2.0", "/sbin/init")]), "seen /sbin/init"),
            (trace("1/1", &[("2.0", "/init")]), "seen /init"),
            (trace("2/2", &[("2.0", "/init"), ("3.0", "/bin/sh")]), "seen /bin/sh"),
        ];
        for (text, wanted) in cases {
            let error = takeover(&text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
