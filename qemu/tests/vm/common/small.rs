//! A small machine for tests of stores and devices: Debian 13's kernel with its modules alone, our init, one small
//! medium, and beside the disks a screen, network cards and a sound card. A boot takes a few seconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy.toml does not see this file as one"
)]

use super::{folder, second_initrd};
use isolde_mkinitrd::Form;
use isolde_qemu::machine::{Bus, Machine, Shell, Vm};
use isolde_qemu::{families, modules};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// A boot takes four seconds on an idle core; they may be busy.
pub const BOOT: Duration = Duration::from_secs(200);
/// MiB. Kernel, modules twice (as they are loaded and as files), and a little root.
const MEMORY: u32 = 320;

/// The medium: archiso's layout, whose take-over needs nothing of the initrd.
pub fn iso() -> &'static Path {
    static ISO: OnceLock<PathBuf> = OnceLock::new();
    ISO.get_or_init(|| {
        let built = families::build().unwrap();
        built.into_iter().find(|built| built.sample.name == "archiso").expect("a sample of archiso").iso
    })
}

/// The volume id of [`iso`].
pub const LABEL: &str = "ARCH_202405";

/// The machine, without a disk.
pub fn machine(name: &str, words: &str) -> Machine {
    with_second_initrd(name, &second_initrd(Form::Init), words)
}

/// The same with another second initrd.
pub fn with_second_initrd(name: &str, ours: &Path, words: &str) -> Machine {
    static PARTS: OnceLock<modules::Parts> = OnceLock::new();
    let parts = PARTS.get_or_init(|| modules::parts().unwrap());
    // One processor each: two machines run at a time.
    let machine = Machine::direct(name, &folder(), &parts.kernel, &[&parts.initrd, ours], words);
    machine.memory(MEMORY).processors(1).other_devices()
}

/// The node of a disk that is the only one on its kind of bus.
pub fn node(bus: Bus, partition: Option<u32>) -> String {
    let disk = match bus {
        Bus::Virtio => "vda",
        Bus::Nvme => "nvme0n1",
        Bus::Sd => "mmcblk0",
        Bus::IdeCd | Bus::ScsiCd => "sr0",
        _ => "sda",
    };
    let dash = if disk.ends_with(|last: char| last.is_ascii_digit()) { "p" } else { "" };
    partition.map_or(format!("/dev/{disk}"), |number| format!("/dev/{disk}{dash}{number}"))
}

/// A booted small machine.
pub struct Guest {
    pub vm: Vm,
    pub shell: Shell,
}

impl Guest {
    pub fn boot(machine: &Machine) -> Guest {
        Guest::of(machine.start().unwrap())
    }

    /// Waits for the root's shell.
    pub fn of(mut vm: Vm) -> Guest {
        let shell = vm.shell(BOOT).unwrap();
        Guest { vm, shell }
    }

    /// The output of a command that has to succeed, trimmed.
    pub fn ask(&mut self, command: &str) -> String {
        self.shell.check(command).unwrap().trim().to_owned()
    }

    /// Gives a command that stops the machine, and what is on the console when it has.
    pub fn stop(mut self, command: &str) -> String {
        self.ask(&format!("{command} >/dev/null 2>&1 &"));
        self.vm.wait_for_end(BOOT).unwrap();
        self.vm.log_text().unwrap()
    }

    /// Source, file system and options of a mount point, the options with a comma on both sides.
    pub fn mount_at(&mut self, target: &str) -> (String, String, String) {
        let line = self.ask(&format!("grep ' {target} ' /proc/mounts"));
        let fields: Vec<&str> = line.split(' ').collect();
        assert_eq!(line.lines().count(), 1, "{line}");
        (fields[0].to_owned(), fields[2].to_owned(), format!(",{},", fields[3]))
    }

    pub fn report(&mut self) -> Value {
        serde_json::from_str(&self.ask("cat /run/isolde/report.json")).unwrap()
    }

    pub fn warnings(&mut self) -> Vec<String> {
        let report = self.report();
        report["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// The store, as it has to be whatever it is: mounted read-only, from there.
    pub fn assert_store(&mut self, device: &str, kind: &str) -> String {
        let (source, fstype, options) = self.mount_at("/run/isolde/store");
        assert_eq!((source.as_str(), fstype.as_str()), (device, kind));
        for option in ["ro", "nosuid", "nodev"] {
            assert!(options.contains(&format!(",{option},")), "{options}");
        }
        assert_eq!(self.report()["store"]["device"], device);
        options
    }

    /// The root is that of the medium, which is that file of the store.
    pub fn assert_root(&mut self, path: &str) {
        let (_, kind, options) = self.mount_at("/");
        assert_eq!(kind, "overlay");
        assert!(options.contains(",lowerdir=/run/archiso/airootfs,"), "{options}");
        assert_eq!(self.ask("cat /etc/layer"), "airootfs.sfs");
        let (device, kind, _) = self.mount_at("/run/archiso/bootmnt");
        assert_eq!(kind, "iso9660");
        let backing = device.replace("/dev/", "/sys/block/") + "/loop/backing_file";
        assert_eq!(self.ask(&format!("cat {backing}")), format!("/run/isolde/store{path}"));
        assert_eq!(self.report()["image"], path);
    }

    /// The machine has a screen, network and sound, and their drivers were there; none is loaded.
    pub fn assert_only_drivers_for_stores(&mut self) {
        let classes = self.ask("cat /sys/bus/pci/devices/*/class");
        for (class, name) in [("0x03", "a screen"), ("0x02", "a network card"), ("0x04", "a sound card")] {
            assert!(classes.lines().any(|line| line.starts_with(class)), "the machine has not {name}: {classes}");
        }
        let loaded = self.ask("cut -d ' ' -f 1 /proc/modules");
        let others = modules::OTHERS.split(' ').chain(["drm", "snd", "soundcore", "failover", "net_failover"]);
        let wrong: Vec<&str> = others.filter(|name| loaded.lines().any(|line| line == *name)).collect();
        assert!(wrong.is_empty(), "loaded: {wrong:?}");
    }
}
