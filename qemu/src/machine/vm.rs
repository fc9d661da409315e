//! A running machine.

use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tempfile::TempDir;

use super::console::{self, Console, Line};
use super::monitor::Monitor;
use super::shares::Daemon;
use super::shell::Shell;
use super::{Disk, Machine, POLL, disks};
use crate::tool::say;

/// How often the processors of a machine that does not answer are looked at.
const LOOKS: usize = 8;

/// Time between the end of a machine's sockets and its own.
const END: Duration = Duration::from_secs(20);

/// How often a guest whose kernel dies before anything of ours runs is started anew.
const TRIES: u32 = 3;
/// The kernel's first line, and what it says when it gives itself up and when it starts process 1.
const KERNEL: &str = "Linux version ";
const DEAD: &str = "Kernel panic - not syncing";
const PROCESS_1: &str = " as init process";

/// A running machine. Ends with this value.
#[derive(Debug)]
pub struct Vm {
    /// What it was started from.
    machine: Machine,
    tries: u32,
    child: Child,
    /// Sockets and firmware variables.
    _work: TempDir,
    console: Console,
    shell: Option<Shell>,
    monitor: Monitor,
    disks: Vec<Disk>,
    /// What runs beside QEMU.
    _daemons: Vec<Daemon>,
    /// Names of disks that were pulled out: QEMU has forgotten their images.
    pulled: Vec<String>,
}

impl Vm {
    pub(super) fn new(
        machine: Machine,
        child: Child,
        work: TempDir,
        console: Console,
        shell: Shell,
        monitor: Monitor,
    ) -> Self {
        let disks = machine.disks.clone();
        Self {
            machine,
            tries: 1,
            child,
            _work: work,
            console,
            shell: Some(shell),
            monitor,
            disks,
            _daemons: Vec::new(),
            pulled: Vec::new(),
        }
    }

    /// With what runs beside QEMU as long as it does.
    pub(super) fn with(mut self, daemons: Vec<Daemon>) -> Self {
        self._daemons = daemons;
        self
    }

    /// Waits for a line of the console that matches a pattern (regular expression), after the last line that did.
    ///
    /// # Errors
    /// When the time is over, or the machine ends before.
    pub fn wait_for(&mut self, pattern: &str, time: Duration) -> Result<Line> {
        Ok(self.wait_for_any(&[pattern], time)?.1)
    }

    /// Waits for a line that matches one of several patterns; gives the pattern's place in the list too.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn wait_for_any(&mut self, patterns: &[&str], time: Duration) -> Result<(usize, Line)> {
        let limit = Instant::now() + time;
        let patterns = console::compile(patterns)?;
        loop {
            // Looked at before reading, so that what a machine printed at its end is still read.
            let ended = self.child.try_wait().context("wait for QEMU")?;
            if let Some(found) = self.console.find(&patterns)? {
                return Ok(found);
            }
            if let Some(status) = ended {
                if self.start_again()? {
                    continue;
                }
                bail!("the machine ended ({status}) before a line with {patterns:?}\n{}", self.console.tail()?);
            }
            if Instant::now() > limit {
                let (doing, tail) = (self.processors(), self.console.tail()?);
                bail!("no line with {patterns:?} within {} s; {doing}\n{tail}", time.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Types something on the serial console; a line needs its own `\n`.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn type_on_console(&mut self, keys: &str) -> Result<()> {
        self.console.send(keys)
    }

    /// Waits for the root shell on the second serial port. There is one for each machine.
    ///
    /// # Errors
    /// When none answers in time.
    pub fn shell(&mut self, time: Duration) -> Result<Shell> {
        let limit = Instant::now() + time;
        let mut shell = self.shell.take().context("the root shell has been handed out already")?;
        loop {
            let greeted = shell.greet();
            if let Ok(true) = greeted {
                return Ok(shell);
            }
            if let Err(error) = greeted {
                // QEMU closes its sockets a moment before it has ended.
                self.wait_for_end(END).with_context(|| format!("root shell: {error:#}"))?;
            }
            let ended = self.child.try_wait().context("wait for QEMU")?;
            if ended.is_some() && self.start_again()? {
                shell = self.shell.take().context("a machine that was started again has a shell")?;
                continue;
            }
            if let Some(status) = ended {
                bail!("the machine ended ({status}) before its root shell answered\n{}", self.console.tail()?);
            }
            if Instant::now() > limit {
                let (doing, tail) = (self.processors(), self.console.tail()?);
                bail!("no root shell within {} s; {doing}\n{tail}", time.as_secs());
            }
        }
    }

    /// In emulation the kernel of one in some thousand boots dies in its own start-up, at the `iret` by which it patches its
    /// code (QEMU 7.2, do_sync_core). Nothing of ours has run then, and no disk was touched: that is no finding.
    fn start_again(&mut self) -> Result<bool> {
        if !died_early(&self.console.text()?) || self.tries >= TRIES {
            return Ok(false);
        }
        say(&format!("{}: the kernel died before process 1; started again", self.machine.name));
        let mut again = self.machine.start()?;
        again.tries = self.tries + 1;
        *self = again;
        Ok(true)
    }

    /// Presses a key of the machine's keyboard, named as QEMU names it (`p`, `ret`).
    ///
    /// # Errors
    /// When QEMU knows no such key.
    pub fn press_key(&mut self, key: &str) -> Result<()> {
        let keys = json!({ "keys": [{ "type": "qcode", "data": key }] });
        self.monitor.execute("send-key", &keys).with_context(|| format!("press {key}"))?;
        Ok(())
    }

    /// Plugs in a disk that was declared late, or that was pulled out.
    ///
    /// # Errors
    /// When there is none of that name, or QEMU refuses.
    pub fn plug(&mut self, name: &str) -> Result<()> {
        let disk = self.disks.iter().find(|disk| disk.name == name).with_context(|| format!("no disk \"{name}\""))?;
        if let Some(place) = self.pulled.iter().position(|pulled| pulled == name) {
            let line = format!("drive_add 0 {}", disks::drive(disk)?);
            let answer = self.monitor.execute("human-monitor-command", &json!({ "command-line": line }))?;
            ensure!(answer.as_str().is_some_and(|text| text.trim() == "OK"), "drive_add {name}: {answer}");
            self.pulled.swap_remove(place);
        }
        self.monitor.execute("device_add", &disks::hot_plug(disk)).with_context(|| format!("plug {name}"))?;
        Ok(())
    }

    /// Pulls a disk out.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn unplug(&mut self, name: &str) -> Result<()> {
        let device = json!({ "id": disks::device_id(name) });
        self.monitor.execute("device_del", &device).with_context(|| format!("unplug {name}"))?;
        self.pulled.push(name.to_owned());
        Ok(())
    }

    /// Tells the guest's systemd to power off, and waits for the machine to end.
    ///
    /// # Errors
    /// When it does not within that time.
    pub fn power_off(&mut self, shell: &mut Shell, time: Duration) -> Result<ExitStatus> {
        shell.send("systemctl --no-block poweroff\n")?;
        self.wait_for_end(time)
    }

    /// Waits until the machine powers off, or reboots, which ends it too.
    ///
    /// # Errors
    /// When it does not within that time.
    pub fn wait_for_end(&mut self, time: Duration) -> Result<ExitStatus> {
        let limit = Instant::now() + time;
        loop {
            if let Some(status) = self.child.try_wait().context("wait for QEMU")? {
                return Ok(status);
            }
            if Instant::now() > limit {
                bail!("still running after {} s\n{}", time.as_secs(), self.console.tail()?);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Where the processors are, looked at a few times: tells a guest that waits from one that runs in a circle.
    fn processors(&mut self) -> String {
        let mut text = "the processors are at".to_owned();
        for _ in 0..LOOKS {
            match self.monitor.execute("human-monitor-command", &json!({ "command-line": "info registers -a" })) {
                Ok(answer) => {
                    let registers = answer.as_str().unwrap_or_default();
                    for word in registers.split_whitespace() {
                        if ["CPU#", "RIP=", "CPL=", "HLT="].iter().any(|name| word.starts_with(name)) {
                            text = text + " " + word;
                        }
                    }
                }
                Err(error) => text = format!("{text} (unknown: {error:#})"),
            }
            std::thread::sleep(POLL);
        }
        text
    }

    /// Everything on the console so far, without colours.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log_text(&self) -> Result<String> {
        self.console.text()
    }

    /// The file with everything on the console.
    pub fn log(&self) -> &Path {
        self.console.log()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the kernel, which says what it does, gave up before it started process 1.
fn died_early(log: &str) -> bool {
    log.contains(KERNEL) && log.contains(DEAD) && !log.contains(PROCESS_1)
}

#[cfg(test)]
mod tests {
    use super::died_early;

    #[test]
    fn only_a_kernel_that_never_came_to_process_1_died_early() {
        let start = "[    0.000000] Linux version 6.12\n";
        let end = "[    1.281309] Kernel panic - not syncing: Fatal exception\n";
        let init = "[    2.000000] Run /init as init process\n";
        assert!(died_early(&format!("{start}{end}")));
        assert!(!died_early(&format!("{start}{init}{end}")));
        assert!(!died_early(end), "a quiet kernel does not say how far it came");
        assert!(!died_early(start));
    }
}
