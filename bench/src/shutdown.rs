//! From `systemctl poweroff` to the end of the machine, and what is still in use at that moment.
//!
//! Takes   a contender whose system is up, with a root shell.
//! Gives   [`Stop`]: the seconds on the host's clock, and what nobody let go of.
//! Fails   when the system does not stop, or the kernel cannot be asked.
//!
//! What the programs say that take a system apart is not the same for all: systemd-shutdown hands over to Isolde before it
//! complains, and each knows only what it tried. So the kernel is asked, by the same means for all: a probe on the function
//! that empties a loop device (kernel: drivers/block/loop.c, `__loop_clr_fd`; trace/kprobetrace.rst), whose events go to the
//! console (`tp_printk`), and the line that ext4 prints when its file system is unmounted. The superblock of the stick says
//! nothing: everybody mounts it read-only here.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isolde_qemu::machine::Shell;
use serde::Serialize;

use crate::contender::{Bench, Contender};
use crate::statistics::Spread;

/// Kernel words of the machines that are stopped: events of the trace go to the console.
const WORDS: &str = "tp_printk";
/// Time for a boot, and for a stop, in software emulation on a busy host.
const LIMIT: Duration = Duration::from_secs(600);
/// Sets the probe, and lets the console have all lines of the kernel.
const WATCH: &str = "set -e; t=/run/isolde-bench; mkdir $t; mount -t tracefs tracefs $t; \
    echo 'p:isolde/emptied loop:__loop_clr_fd' >$t/kprobe_events; echo 1 >$t/events/isolde/emptied/enable; \
    umount $t; rmdir $t; echo 7 >/proc/sys/kernel/printk";
/// The loop devices that have a file.
const LOOPS: &str = "ls /sys/block/loop*/loop/backing_file | wc -l";
/// Between both, lines of the console belong to the stop.
const MARK: &str = "isolde-bench stops";

/// Who is stopped: both boot the same ISO of a system with systemd.
pub const CONTENDERS: [Contender; 2] = [Contender::LiveBoot, Contender::IsoldeDebian];

/// One stop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stop {
    /// From the command to the end of the machine.
    pub seconds: f64,
    /// Loop devices that had a file when the command was given.
    pub loops: usize,
    /// Those of them that still had it when the machine ended.
    pub loops_left: usize,
    /// The stick was still mounted when the machine ended.
    pub store_left: bool,
}

/// All stops of one contender.
#[derive(Debug, Clone, Serialize)]
pub struct Stops {
    /// Who.
    pub contender: Contender,
    /// Its stops in order.
    pub stops: Vec<Stop>,
}

impl Stops {
    /// Seconds.
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.stops.iter().map(|stop| stop.seconds))
    }

    /// The most loop devices that any stop left.
    pub fn loops_left(&self) -> Option<usize> {
        self.stops.iter().map(|stop| stop.loops_left).max()
    }

    /// Whether any stop left the stick mounted.
    pub fn store_left(&self) -> bool {
        self.stops.iter().any(|stop| stop.store_left)
    }
}

/// Measures both by turns.
pub fn measure(bench: &Bench, rounds: u32) -> Result<Vec<Stops>> {
    let mut all: Vec<Stops> = CONTENDERS.map(|contender| Stops { contender, stops: Vec::new() }).into();
    for round in 1..=rounds {
        for one in &mut all {
            eprint!("stop {round} of {rounds}: {:<14}", one.contender.to_string());
            let stop = stop(bench, one.contender).with_context(|| format!("{} stop {round}", one.contender))?;
            eprintln!(
                "{:8.3} s, {} of {} loops left{}",
                stop.seconds,
                stop.loops_left,
                stop.loops,
                if stop.store_left { ", and the store" } else { "" }
            );
            one.stops.push(stop);
        }
    }
    Ok(all)
}

fn stop(bench: &Bench, contender: Contender) -> Result<Stop> {
    let mut vm = bench.machine_with(contender, WORDS).start()?;
    let mut shell = vm.shell(LIMIT)?;
    // What is still starting would have to be stopped half-way, by one contender more than by the other.
    shell.run_within("systemctl is-system-running --wait", LIMIT)?;
    watch(&mut shell)?;
    let loops = shell.check(LOOPS)?.trim().parse().context("the number of loop devices")?;
    shell.check(&format!("sync; echo '<4>{MARK}' >/dev/kmsg"))?;
    let start = Instant::now();
    ensure!(vm.power_off(&mut shell, LIMIT)?.success(), "QEMU failed");
    let seconds = start.elapsed().as_secs_f64();
    let (emptied, store) = seen(&vm.log_text()?)?;
    Ok(Stop { seconds, loops, loops_left: loops.saturating_sub(emptied), store_left: !store })
}

fn watch(shell: &mut Shell) -> Result<()> {
    shell.check(WATCH).context("probe the kernel's loop devices")?;
    Ok(())
}

/// How many loop devices were emptied since the mark, and whether the stick was unmounted. Pure.
fn seen(log: &str) -> Result<(usize, bool)> {
    let (_, after) = log.split_once(MARK).context("the console shows nothing of the kernel's log")?;
    ensure!(after.contains("reboot: Power down"), "the kernel did not power off");
    let emptied = after.lines().filter(|line| line.contains(" emptied: (__loop_clr_fd")).count();
    // Everything else of the machine is on read-only images of other types.
    let store = after.lines().any(|line| line.contains("EXT4-fs (vda1): unmounting filesystem"));
    Ok((emptied, store))
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "[  99.1] reboot: Power down\n";
    const LOOP: &str = "[  98.1] shutdown-1  [000] .....  98.1: emptied: (__loop_clr_fd+0x0/0x3d0 [loop])\n";
    const STORE: &str = "[  98.2] EXT4-fs (vda1): unmounting filesystem.\n";

    #[test]
    fn only_what_the_kernel_did_since_the_mark_counts() {
        let log = |after: &[&str]| format!("{LOOP}{STORE}[ 50.0] {MARK}\n{}{END}", after.concat());
        assert_eq!(seen(&log(&[])).unwrap(), (0, false));
        assert_eq!(seen(&log(&["systemd-shutdown[1]: Detaching loopback /dev/loop0.\n"])).unwrap(), (0, false));
        assert_eq!(seen(&log(&[LOOP, LOOP, STORE])).unwrap(), (2, true));
    }

    #[test]
    fn a_log_that_proves_nothing_is_an_error() {
        assert!(seen(END).is_err());
        assert!(seen(&format!("{MARK}\n{LOOP}{STORE}")).is_err());
    }
}
