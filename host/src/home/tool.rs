//! The programs that know ext4: mke2fs(8), resize2fs(8), e2fsck(8).

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// How a check ended.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    /// Nothing to repair.
    pub(super) sound: bool,
    /// What e2fsck says.
    pub(super) output: String,
}

/// A program, also where a user's search path lacks the system's own folders.
pub(crate) fn command(program: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [path.as_os_str(), OsStr::new(":/usr/sbin:/sbin")].join(OsStr::new(""));
    let mut command = Command::new("env");
    command.arg(program).env("PATH", path).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// Runs it to a good end, with this on its standard input.
pub(crate) fn run(program: &str, command: &mut Command, input: &[u8]) -> Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends early says why itself.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().with_context(|| program.to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    if output.status.code() == Some(127) {
        bail!("{program} is not installed; Debian has it in e2fsprogs or cryptsetup-bin");
    }
    bail!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
}

/// Looks for faults, and changes nothing.
pub(super) fn check(image: &Path) -> Result<Checked> {
    let output = command("e2fsck").args(["-f", "-n"]).arg(image).output().context("start e2fsck")?;
    match output.status.code() {
        Some(0) => {}
        // Errors that were left, as it may change nothing (e2fsck(8)).
        Some(code) if code & 8 == 0 && code != 127 => {}
        _ => bail!("e2fsck: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()),
    }
    let text = [output.stdout, output.stderr].concat();
    Ok(Checked { sound: output.status.success(), output: String::from_utf8_lossy(&text).into_owned() })
}

/// What a file system is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Files of people, who may fill it.
    #[default]
    Home,
    /// Layers of a system, in which root needs room when all else is full.
    Sessions,
}

/// Makes an ext4 of the whole of a file or device.
pub(super) fn make(image: &Path, holds: Holds, owner: (u32, u32), from: Option<&Path>) -> Result<()> {
    let mut mke2fs = command("mke2fs");
    let owner = format!("root_owner={}:{}", owner.0, owner.1);
    // Blocks of 4096 bytes, also in a small one: a LUKS volume may have sectors of that size.
    let (reserved, label) = match holds {
        Holds::Home => ("0", "home"),
        Holds::Sessions => ("5", "sessions"),
    };
    mke2fs.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-m", reserved, "-L", label, "-E", &owner]);
    if let Some(from) = from {
        mke2fs.arg("-d").arg(from);
    }
    run("mke2fs", mke2fs.arg(image), &[])
}

/// Makes it fill what it is in. It wants to be checked first, and an unclean one is repaired as far as that takes no
/// decision.
pub(super) fn fill(image: &Path) -> Result<()> {
    let output = command("e2fsck").args(["-f", "-p"]).arg(image).output().context("start e2fsck")?;
    if output.status.code().is_none_or(|code| code > 1) {
        bail!("e2fsck: {}: {}", output.status, String::from_utf8_lossy(&output.stdout).trim());
    }
    run("resize2fs", command("resize2fs").arg(image), &[])
}
