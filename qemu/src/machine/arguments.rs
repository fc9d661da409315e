//! The only file that knows a QEMU flag.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Accelerator, Boot, Bus, Disk, Firmware, Machine};
use crate::tool::text;

/// Sockets in the work folder of a running machine.
pub(super) const MONITOR: &str = "monitor";
pub(super) const CONSOLE: &str = "console";
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
    list.extend(accelerator_words(accelerator));
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
    for (place, disk) in machine.disks.iter().enumerate() {
        list.extend(["-drive".to_owned(), drive(disk)?]);
        if !disk.late {
            let boot =
                if matches!(machine.boot, Boot::Firmware(_)) { format!(",bootindex={place}") } else { String::new() };
            list.extend(["-device".to_owned(), format!("{}{boot}", device(disk))]);
        }
    }
    Ok(list)
}

fn accelerator_words(accelerator: Accelerator) -> Vec<String> {
    match accelerator {
        Accelerator::Kvm => words(&["-accel", "kvm", "-cpu", "host"]),
        // A processor without AVX and AES: each crypto driver that the guest would load for them tests itself for seconds
        // in software. rdrand, as entropy is needed before the first driver is there.
        Accelerator::Tcg => words(&["-accel", "tcg,thread=multi", "-cpu", "Nehalem,+rdrand"]),
    }
}

/// For the probe of an accelerator: a kernel with nothing to boot, its messages on the output.
pub(super) fn probe(accelerator: Accelerator, kernel: &Path) -> Result<Vec<String>> {
    let mut list = words(&[QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256"]);
    list.extend(accelerator_words(accelerator));
    list.extend(words(&["-serial", "stdio", "-append", "console=ttyS0 panic=-1", "-kernel", text(kernel)?]));
    Ok(list)
}

/// Console into a log, shell and monitor on sockets.
pub(super) fn watched(work: &Path, log: &Path) -> Result<Vec<String>> {
    let socket = |name: &str| -> Result<String> {
        Ok(format!("socket,id={name},server=on,wait=off,path={}", escaped(&work.join(name))?))
    };
    Ok(vec![
        "-chardev".to_owned(),
        format!("{},logappend=off,logfile={}", socket(CONSOLE)?, escaped(log)?),
        "-serial".to_owned(),
        format!("chardev:{CONSOLE}"),
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

/// The name under which a plugged disk can be pulled.
pub(super) fn device_id(name: &str) -> String {
    format!("disk-{name}")
}

/// The arguments of QMP's `device_add` for a disk.
pub(super) fn hot_plug(disk: &Disk) -> Value {
    let mut fields =
        vec![("driver", driver(disk.bus).to_owned()), ("drive", drive_id(&disk.name)), ("id", device_id(&disk.name))];
    fields.extend(extra(disk));
    Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect())
}

fn device(disk: &Disk) -> String {
    let extra: String = extra(disk).iter().map(|(key, value)| format!(",{key}={value}")).collect();
    format!("{},drive={},id={}{extra}", driver(disk.bus), drive_id(&disk.name), device_id(&disk.name))
}

fn drive(disk: &Disk) -> Result<String> {
    let snapshot = if disk.kept { "off" } else { "on" };
    let (id, file) = (drive_id(&disk.name), escaped(&disk.image)?);
    // The host's page cache survives QEMU, so that nothing has to reach the medium.
    Ok(format!("if=none,id={id},format=raw,cache=unsafe,snapshot={snapshot},file={file}"))
}

fn drive_id(name: &str) -> String {
    format!("image-{name}")
}

fn driver(bus: Bus) -> &'static str {
    match bus {
        Bus::Virtio => "virtio-blk-pci",
        Bus::Usb => "usb-storage",
        Bus::Ahci => "ide-hd",
        Bus::Nvme => "nvme",
    }
}

fn extra(disk: &Disk) -> Vec<(&'static str, String)> {
    match disk.bus {
        Bus::Virtio => Vec::new(),
        Bus::Usb => vec![("bus", "usb.0".to_owned())],
        Bus::Ahci => vec![("bus", "sata.0".to_owned())],
        Bus::Nvme => vec![("serial", disk.name.clone())],
    }
}

/// In QEMU's lists of options a comma within a value is written twice.
fn escaped(path: &Path) -> Result<String> {
    Ok(text(path)?.replace(',', ",,"))
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_late_disk_has_an_image_but_no_device() {
        let disk = Disk::new("stick", Path::new("/a,b.img"), Bus::Usb);
        let list = |disk: Disk| {
            let machine = Machine::firmware("t", Path::new("/logs"), Firmware::Bios).disk(disk);
            super::machine(&machine, Accelerator::Tcg, Path::new("/work")).unwrap().join(" ")
        };
        let device = "-device usb-storage,drive=image-stick,id=disk-stick,bus=usb.0,bootindex=0";
        let drive = "-drive if=none,id=image-stick,format=raw,cache=unsafe,snapshot=on,file=/a,,b.img";
        assert!(list(disk.clone()).contains(drive));
        assert!(list(disk.clone()).contains(device));
        assert!(list(disk.clone().late()).contains(drive));
        assert!(!list(disk.late()).contains("usb-storage"));
    }

    #[test]
    fn a_plugged_disk_is_described_as_one_from_the_start() {
        let disk = Disk::new("fast", Path::new("/x"), Bus::Nvme);
        assert_eq!(device(&disk), "nvme,drive=image-fast,id=disk-fast,serial=fast");
        let wanted = json!({ "driver": "nvme", "drive": "image-fast", "id": "disk-fast", "serial": "fast" });
        assert_eq!(hot_plug(&disk), wanted);
    }

    #[test]
    fn only_a_kept_disk_is_written_to() {
        let disk = Disk::new("a", Path::new("/x"), Bus::Virtio);
        assert!(drive(&disk).unwrap().contains("snapshot=on"));
        assert!(drive(&disk.kept()).unwrap().contains("snapshot=off"));
    }
}
