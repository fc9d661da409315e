//! A booted sample, and what every family has to show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy.toml does not see this file as one"
)]

use crate::common::{self, Booted, folder, second_initrd};
use isolde_mkinitrd::Form;
use isolde_qemu::families::{self, Base, Built, Parts, root};
use isolde_qemu::machine::{Bus, Disk, Machine};
use isolde_qemu::modules;
use isolde_qemu::store::{FileSystem, Store};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The store's UUID, for the families whose words name it.
pub const UUID: &str = "15010000-fa00-4000-8000-000000000003";
/// MiB. Enough for kernel and initrd, the latter twice: as it is loaded and as files.
const MEMORY: u32 = 320;
/// A boot takes eight seconds on an idle core; they may be busy.
const BOOT: Duration = Duration::from_secs(200);
/// Self-tests of ciphers and the repair of a processor's faults take a second of each boot.
const WORDS: &str = "cryptomgr.notests mitigations=off";

/// All samples, built once for all tests.
fn all() -> &'static [Built] {
    static ALL: OnceLock<Vec<Built>> = OnceLock::new();
    ALL.get_or_init(|| families::build().unwrap())
}

/// The base of a sample's initrd, with its kernel.
fn parts(base: Base) -> &'static Parts {
    static PARTS: [OnceLock<Parts>; 2] = [OnceLock::new(), OnceLock::new()];
    PARTS[base as usize].get_or_init(|| base.parts().unwrap())
}

/// Drivers alone.
fn drivers() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let modules::Parts { kernel, initrd } = modules::parts().unwrap();
        Parts { kernel, initrd }
    })
}

/// The sample of that name.
pub fn sample(name: &str) -> &'static Built {
    all().iter().find(|built| built.sample.name == name).unwrap_or_else(|| panic!("no sample {name}"))
}

/// Where a sample's ISO is in the store.
pub fn path(name: &str) -> String {
    format!("/boot/iso/{name}.iso")
}

/// One store with the ISOs of all samples.
pub fn store() -> Disk {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        let store = Store::new(FileSystem::Ext4, "STICK").uuid(UUID);
        let store = all().iter().fold(store, |store, built| store.copy(&path(built.sample.name), &built.iso));
        common::build("families", &store)
    });
    Disk::new("stick", image, Bus::Virtio)
}

/// How a sample is booted.
pub struct Wish {
    name: &'static str,
    form: Form,
    scripts: bool,
    words: &'static str,
    instead: Option<&'static str>,
}

impl Wish {
    /// By the words of its own boot entry, by our init in the place of its own, without its own scripts.
    pub fn new(name: &'static str) -> Wish {
        Wish { name, form: Form::Init, scripts: false, words: "", instead: None }
    }

    /// With the scripts of its own initrd.
    pub fn scripts(self) -> Wish {
        Wish { scripts: true, ..self }
    }

    /// With its own init kept.
    pub fn rdinit(self) -> Wish {
        Wish { form: Form::Rdinit, ..self }
    }

    /// With further words.
    pub fn words(self, words: &'static str) -> Wish {
        Wish { words, ..self }
    }

    /// By these words instead of those of its own entry; `$P` is its path.
    pub fn instead(self, words: &'static str) -> Wish {
        Wish { instead: Some(words), ..self }
    }

    /// The machine.
    pub fn machine(&self) -> Machine {
        let built = sample(self.name);
        // Where nothing of its initrd runs, drivers are enough: that boots in half the time.
        let is_plain = self.form == Form::Init && !self.scripts;
        let base = if is_plain { drivers() } else { parts(built.sample.base) };
        let ours = second_initrd(self.form);
        let mut initrds = vec![&*base.initrd, &*built.initrd];
        if self.scripts {
            initrds.push(&built.scripts);
        }
        initrds.push(&ours);
        let rdinit = if self.form == Form::Rdinit { "rdinit=/isolde/init " } else { "" };
        let own = match self.instead {
            Some(words) => words.replace("$P", &path(self.name)),
            None => built.words(&path(self.name), UUID),
        };
        let words = format!("{WORDS} {rdinit}{} {own}", self.words);
        // Several tests boot the same sample at the same time: each machine has a log of its own.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let name = format!("family-{}-{}", self.name, STARTED.fetch_add(1, Ordering::Relaxed));
        // One processor each: two machines run at a time.
        Machine::direct(&name, &folder(), &base.kernel, &initrds, &words).disk(store()).memory(MEMORY).processors(1)
    }

    /// Boots it.
    pub fn boot(&self) -> Guest {
        let mut vm = self.machine().start().unwrap();
        let shell = vm.shell(BOOT).unwrap();
        let mut guest = Guest { booted: Booted { vm, shell }, mounts: Vec::new() };
        guest.refresh();
        guest
    }
}

/// A line of /proc/mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub source: String,
    pub target: String,
    pub kind: String,
    pub options: String,
}

impl Mount {
    fn parse(line: &str) -> Mount {
        let fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let [source, target, kind, options, ..] = &fields[..] else { panic!("a line of /proc/mounts: {line}") };
        let [source, target, kind, options] = [source, target, kind, options].map(String::clone);
        Mount { source, target, kind, options }
    }

    /// The value of an option.
    pub fn option(&self, name: &str) -> &str {
        let mut options = self.options.split(',').filter_map(|option| option.split_once('='));
        options.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

/// A booted sample.
pub struct Guest {
    pub booted: Booted,
    mounts: Vec<Mount>,
}

impl Guest {
    /// Looks again at what is mounted.
    fn refresh(&mut self) {
        self.mounts = self.ask("cat /proc/mounts").lines().map(Mount::parse).collect();
    }

    /// Asserts where links lead.
    pub fn assert_links(&mut self, wanted: &[(&str, &str)]) {
        for (at, to) in wanted {
            assert_eq!(self.ask(&format!("readlink {at}")), *to, "{at}");
        }
    }

    /// How process 1 was called: its name, and its arguments.
    pub fn process_1(&mut self) -> Vec<String> {
        self.ask("cat /run/process-1").lines().map(str::to_owned).collect()
    }

    /// The output of a command that has to succeed, trimmed.
    pub fn ask(&mut self, command: &str) -> String {
        self.booted.ask(command)
    }

    /// What is mounted there; the last mount hides those before.
    pub fn mount(&self, target: &str) -> &Mount {
        let found = self.mounts.iter().rev().find(|mount| mount.target == target);
        found.unwrap_or_else(|| panic!("nothing is mounted at {target}: {:#?}", self.mounts))
    }

    /// Asserts file system and source (as far as given) of mount points.
    pub fn assert_mounts(&self, wanted: &[(&str, &str, &str)]) {
        for (target, kind, source) in wanted {
            let mount = self.mount(target);
            assert!(mount.kind == *kind && mount.source.starts_with(source), "{target}: {mount:?}");
            if matches!(*kind, "iso9660" | "squashfs" | "erofs") || source.starts_with("/dev/loop") {
                assert!(mount.options.split(',').any(|option| option == "ro"), "{target}: {mount:?}");
            }
        }
    }

    /// Asserts that nothing is mounted there.
    pub fn assert_not_mounted(&self, target: &str) {
        assert!(!self.mounts.iter().any(|mount| mount.target == target), "{target}: {:#?}", self.mounts);
    }

    /// Asserts the layers of the stack that is mounted there, lowest first, by their marks: that exactly they are in it,
    /// that each of the overlay's lower directories holds its own, and that the highest is seen.
    pub fn assert_layers(&mut self, stack: &str, layers: &[&str]) {
        let lower = self.mount(stack).option("lowerdir").to_owned();
        let lower: Vec<&str> = lower.split(':').rev().collect();
        let seen: Vec<String> = lower.iter().map(|at| self.ask(&format!("ls {at}/{}", root::MARKS))).collect();
        assert_eq!(seen, layers, "{lower:?}");
        let all = self.ask(&format!("ls {}/{}", stack.trim_end_matches('/'), root::MARKS));
        let mut sorted: Vec<&str> = layers.to_vec();
        sorted.sort_unstable();
        assert_eq!(all.lines().collect::<Vec<_>>(), sorted);
        let top = self.ask(&format!("cat {}/{}", stack.trim_end_matches('/'), root::TOP));
        assert_eq!(Some(&&*top), layers.last());
    }

    /// Asserts what the report says, and gives it.
    pub fn assert_report(&mut self, family: &str, way: &str, layers: &[&str]) -> Value {
        let report = self.booted.report();
        assert_eq!(report["family"], family, "{report}");
        assert_eq!(report["way"], way, "{report}");
        let files: Vec<&str> = report["layers"].as_array().unwrap().iter().filter_map(|l| l["file"].as_str()).collect();
        assert_eq!(files, layers);
        report
    }

    /// Asserts that the report has no warning but those that hold these phrases, one each: those of words by their names.
    pub fn assert_warnings(&mut self, phrases: &[&str]) {
        let report = self.booted.report();
        let warnings: Vec<&str> = report["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let as_wanted = warnings.len() == phrases.len() && warnings.iter().zip(phrases).all(|(w, p)| w.contains(p));
        assert!(as_wanted, "wanted {phrases:#?}, seen {warnings:#?}");
    }
}
