//! One boot of one contender, measured.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::contender::{Bench, Contender};
use crate::trace;

/// Time for a boot up to the root shell. live-boot in software emulation takes a minute on two idle processors, and ten
/// times that when others use them as well.
const LIMIT: Duration = Duration::from_secs(600);

/// What one boot gave.
#[derive(Debug, Clone, Serialize)]
pub struct Boot {
    /// From the start of process 1 to the start of the real init, in seconds of the guest's clock.
    pub seconds: f64,
    /// From the start of the kernel to the start of the real init, by the same clock: with the unpacking of the initrds.
    pub from_kernel: f64,
    /// From the start of the kernel until the system that was booted answers at its root shell, by the guest's clock: with all
    /// that is read after the hand-off.
    pub to_shell: f64,
    /// Peak resident memory of process 1 before the real init, in KiB, where the contender reports it.
    pub peak_rss_kib: Option<u64>,
}

/// The part of `/run/isolde/report.json` that is needed here.
#[derive(Debug, Deserialize)]
struct Report {
    peak_rss_kib: Option<u64>,
}

/// Boots a contender until the real system gives a root shell, and reads the kernel's trace.
pub fn measure(bench: &Bench, contender: Contender) -> Result<Boot> {
    let mut vm = bench.machine(contender).start()?;
    let mut shell = vm.shell(LIMIT)?;
    let uptime = shell.check("cat /proc/uptime")?;
    let to_shell = uptime.split(' ').next().unwrap_or_default().parse().context("/proc/uptime")?;
    let answer = shell.run("test -e /etc/initrd-release")?;
    ensure!(answer.status != 0, "the root shell is still that of the initrd");
    let takeover = trace::takeover(&shell.check(trace::PRINT)?)?;
    let root = shell.check("findmnt --noheadings --output FSTYPE /")?;
    ensure!(root.trim() == "overlay", "the root: wanted an overlay, seen {:?}", root.trim());
    let peak_rss_kib = if contender.is_isolde() {
        let text = shell.check("cat /run/isolde/report.json")?;
        let copy = bench.report_file(contender);
        fs::write(&copy, &text).with_context(|| format!("write {}", copy.display()))?;
        serde_json::from_str::<Report>(&text).context("/run/isolde/report.json")?.peak_rss_kib
    } else {
        None
    };
    Ok(Boot { seconds: takeover.end - takeover.start, from_kernel: takeover.end, to_shell, peak_rss_kib })
}
