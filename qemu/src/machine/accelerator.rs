//! Is there hardware help that works?
//!
//! `/dev/kvm` being there is not enough: under nested virtualisation a kernel may start and then spin for ever. KVM is used
//! only after a kernel has run under it to the point where it finds no root file system.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::arguments;
use crate::cache;
use crate::tool::{command, say};

/// A working KVM gets there in one or two seconds.
const TIME: Duration = Duration::from_secs(10);

/// How the guest's processor is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// By the host's own processor.
    Kvm,
    /// In software.
    Tcg,
}

/// KVM if it is known to work. A kernel is needed to find out; without one, and with no answer of an earlier probe since
/// the host was started, it is software.
pub(super) fn choose(kernel: Option<&Path>) -> Result<Accelerator> {
    if fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Accelerator::Tcg);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("read the host's boot id")?;
    let folder = cache::folder()?;
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let _lock = cache::lock(&folder, "accelerator")?;
    let answer = folder.join("accelerator.txt");
    let known = fs::read_to_string(&answer).unwrap_or_default();
    if let Some((known_boot, works)) = known.trim().split_once(' ')
        && known_boot == boot.trim()
    {
        return Ok(if works == "kvm" { Accelerator::Kvm } else { Accelerator::Tcg });
    }
    let Some(kernel) = kernel else { return Ok(Accelerator::Tcg) };
    say("trying KVM, for at most 10 s");
    let works = answers(Accelerator::Kvm, kernel)?;
    say(if works { "KVM works" } else { "KVM does not answer; the machines run in software" });
    let word = if works { "kvm" } else { "tcg" };
    fs::write(&answer, format!("{} {word}\n", boot.trim())).with_context(|| format!("write {}", answer.display()))?;
    Ok(if works { Accelerator::Kvm } else { Accelerator::Tcg })
}

/// Does a kernel run to its end?
fn answers(accelerator: Accelerator, kernel: &Path) -> Result<bool> {
    let list = arguments::probe(accelerator, kernel)?;
    let mut child = command("setpriv")
        .args(["--pdeathsig", "KILL"])
        .args(list)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("start QEMU to try KVM")?;
    let mut output = child.stdout.take().context("QEMU's output")?;
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        // An error is the end of the output as well.
        let _ = output.read_to_end(&mut text);
        // The receiver is gone when the time is over.
        let _ = sender.send(String::from_utf8_lossy(&text).contains("Unable to mount root fs"));
    });
    let works = receiver.recv_timeout(TIME).unwrap_or(false);
    // Both fail only when the process has ended already.
    let _ = child.kill();
    let _ = child.wait();
    let _ = reader.join();
    Ok(works)
}
