//! The arguments of QEMU. No other file but `disks.rs` and `shares.rs`, which have those of disks and shares,
//! knows a QEMU flag.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Accelerator, Boot, Firmware, Machine, disks, shares};
use crate::tool::text;

/// Sockets in the work folder of a running machine.
pub(super) const MONITOR: &str = "monitor";
pub(super) const SHELL: &str = "shell";
/// What boots, in the same folder.
pub(super) const KERNEL: &str = "kernel";
pub(super) const INITRD: &str = "initrd";

/// The program.
pub(super) const QEMU: &str = "qemu-system-x86_64";

/// OVMF, code and empty variables, where Debian's and Ubuntu's package `ovmf` puts them.
const OVMF: [(&str, &str); 2] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
];

/// What init has to leave alone, and a keyboard. Without their boot ROMs, which are in a package of their own.
const OTHERS: &[&str] = &[
    "-device",
    "VGA",
    "-device",
    "e1000,romfile=",
    "-device",
    "virtio-net-pci,romfile=",
    "-audiodev",
    "none,id=sound",
    "-device",
    "intel-hda",
    "-device",
    "hda-output,audiodev=sound",
    "-device",
    "usb-kbd,bus=usb.0",
];

/// QEMU's own router: the guest is 10.0.2.15, and this machine's loopback 10.0.2.2.
const NETWORK: &[&str] = &["-netdev", "user,id=network", "-device", "e1000,netdev=network,romfile="];

/// The machine itself, without its consoles.
pub(super) fn machine(machine: &Machine, accelerator: Accelerator, work: &Path) -> Result<Vec<String>> {
    let mut list = words(&[QEMU, "-nodefaults", "-no-user-config", "-display", "none"]);
    // i440FX: its PCI bus takes new devices without further parts.
    list.extend(words(&[
        "-machine",
        "pc",
        "-no-reboot",
        "-device",
        "qemu-xhci,id=usb",
        "-device",
        "ich9-ahci,id=sata",
    ]));
    list.extend(accelerator_words(accelerator, machine.aes));
    list.extend(["-m".to_owned(), machine.memory.to_string(), "-smp".to_owned(), machine.processors.to_string()]);
    list.extend(words(&[
        "-object",
        "rng-random,id=entropy,filename=/dev/urandom",
        "-device",
        "virtio-rng-pci,rng=entropy",
    ]));
    match &machine.boot {
        Boot::Kernel { words, .. } => {
            let (kernel, initrd) = (work.join(KERNEL), work.join(INITRD));
            for (flag, value) in [("-kernel", text(&kernel)?), ("-initrd", text(&initrd)?), ("-append", words)] {
                list.extend([flag.to_owned(), value.to_owned()]);
            }
        }
        Boot::Firmware(Firmware::Bios) => {}
        Boot::Firmware(Firmware::Uefi) => {
            let (code, _) = ovmf()?;
            for drive in [
                format!("if=pflash,format=raw,unit=0,readonly=on,file={}", escaped(&code)?),
                format!("if=pflash,format=raw,unit=1,file={}", escaped(&work.join("vars.fd"))?),
            ] {
                list.extend(["-drive".to_owned(), drive]);
            }
        }
    }
    list.extend(disks::arguments(&machine.disks, matches!(machine.boot, Boot::Firmware(_)))?);
    list.extend(shares::arguments(&machine.shares, machine.memory, work)?);
    // After the disks, some of which name their port on USB.
    if machine.others {
        list.extend(words(OTHERS));
    }
    if machine.network {
        list.extend(words(NETWORK));
    }
    Ok(list)
}

fn accelerator_words(accelerator: Accelerator, aes: bool) -> Vec<String> {
    match accelerator {
        Accelerator::Kvm => words(&["-accel", "kvm", "-cpu", "host"]),
        // A processor without AVX and, unless asked for, AES: each crypto driver that the guest would load for them tests
        // itself for seconds in software. rdrand, as entropy is needed before the first driver is there.
        Accelerator::Tcg => {
            let processor = if aes { "Nehalem,+rdrand,+aes" } else { "Nehalem,+rdrand" };
            words(&["-accel", "tcg,thread=multi", "-cpu", processor])
        }
    }
}

/// For the probe of an accelerator: a kernel with nothing to boot, its messages on the output.
pub(super) fn probe(accelerator: Accelerator, kernel: &Path) -> Result<Vec<String>> {
    let mut list = words(&[QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256"]);
    list.extend(accelerator_words(accelerator, false));
    list.extend(words(&["-serial", "stdio", "-append", "console=ttyS0 panic=-1", "-kernel", text(kernel)?]));
    Ok(list)
}

/// Console on QEMU's own input and output, shell and monitor on sockets.
pub(super) fn watched(work: &Path) -> Result<Vec<String>> {
    let socket = |name: &str| -> Result<String> {
        Ok(format!("socket,id={name},server=on,wait=off,path={}", escaped(&work.join(name))?))
    };
    Ok(vec![
        "-serial".to_owned(),
        "stdio".to_owned(),
        "-chardev".to_owned(),
        socket(SHELL)?,
        "-serial".to_owned(),
        format!("chardev:{SHELL}"),
        "-chardev".to_owned(),
        socket(MONITOR)?,
        "-mon".to_owned(),
        format!("chardev={MONITOR},mode=control"),
    ])
}

/// Console and monitor share the user's terminal; Ctrl-A X ends the machine.
pub(super) fn on_terminal() -> Vec<String> {
    words(&["-vga", "std", "-serial", "mon:stdio"])
}

/// The first file of variables is copied, because the firmware writes to it.
pub(super) fn copy_firmware_variables(work: &Path) -> Result<()> {
    let (_, variables) = ovmf()?;
    let to = work.join("vars.fd");
    std::fs::copy(&variables, &to).with_context(|| format!("copy {}", variables.display()))?;
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).context("chmod of firmware variables")
}

fn ovmf() -> Result<(PathBuf, PathBuf)> {
    OVMF.iter()
        .map(|(code, variables)| (PathBuf::from(code), PathBuf::from(variables)))
        .find(|(code, variables)| code.exists() && variables.exists())
        .with_context(|| {
            format!("the UEFI firmware OVMF is not installed, looked for {OVMF:?}; ./setup.sh installs it")
        })
}

/// In QEMU's lists of options a comma within a value is written twice.
pub(super) fn escaped(path: &Path) -> Result<String> {
    Ok(text(path)?.replace(',', ",,"))
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}
