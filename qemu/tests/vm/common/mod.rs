//! What the virtual machine tests share: init as it is shipped, a machine with one store, and questions to the guest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy.toml does not see this file as one"
)]

pub mod disks;
pub mod saved;
pub mod small;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use isolde_mkinitrd::{Compression, Destination, Form, Source};
use isolde_qemu::fixtures::Iso;
use isolde_qemu::machine::{Bus, Disk, Machine, Shell, Vm};
use isolde_qemu::store::Store;

/// A whole boot in software emulation takes half a minute on two idle cores; they may be busy.
pub const BOOT: Duration = Duration::from_secs(400);
/// A refusal comes before the root, and takes a few seconds.
pub const REFUSAL: Duration = Duration::from_secs(150);

/// Where this test keeps its images and logs. Tests run at the same time; none may find a file that another one is writing.
pub fn folder() -> PathBuf {
    // The harness names the thread of a test after it.
    let thread = std::thread::current();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(thread.name().unwrap_or_default().replace("::", "."));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The init that is shipped: release profile, static.
pub fn init() -> &'static Path {
    static INIT: OnceLock<PathBuf> = OnceLock::new();
    INIT.get_or_init(|| program(&["--release", "--bin", "isolde-init"]))
}

/// The command `isolde`, in the profile of the tests: what it writes is the same, and it is built already but for a link.
pub fn isolde() -> &'static Path {
    static ISOLDE: OnceLock<PathBuf> = OnceLock::new();
    ISOLDE.get_or_init(|| program(&["--package", "isolde-host", "--bin", "isolde"]))
}

fn program(arguments: &[&str]) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--message-format=json", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .args(arguments)
        .output()
        .expect("cargo starts");
    assert!(built.status.success(), "build {arguments:?}: {}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let path = messages.filter_map(|message| Some(message.get("executable")?.as_str()?.to_owned())).next_back();
    PathBuf::from(path.expect("cargo names the program that it built"))
}

/// The second initrd with it, made once for all tests of a program: unoptimised, the compression takes seconds.
pub fn second_initrd(form: Form) -> PathBuf {
    static MADE: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    let (made, name) = match form {
        Form::Init => (&MADE[0], "isolde.img"),
        Form::Rdinit => (&MADE[1], "isolde-rdinit.img"),
    };
    made.get_or_init(|| write_second_initrd(name, form, Vec::new(), Compression::Zstd)).clone()
}

/// One of a test's own, with further files. Not compressed.
pub fn second_initrd_with(name: &str, add: &[(&str, &Path)]) -> PathBuf {
    let file = |(to, from): &(&str, &Path)| (Destination::parse(to).unwrap(), Source::open(from).unwrap());
    write_second_initrd(&format!("{name}.img"), Form::Init, add.iter().map(file).collect(), Compression::None)
}

fn write_second_initrd(name: &str, form: Form, add: Vec<(Destination, Source)>, how: Compression) -> PathBuf {
    let plan = isolde_mkinitrd::plan(form, Source::open(init()).unwrap(), add).unwrap();
    let bytes = isolde_mkinitrd::build(&plan, how, 0).unwrap();
    let path = folder().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A store of this test's own.
pub fn build(name: &str, store: &Store) -> PathBuf {
    let image = folder().join(format!("{name}.store"));
    store.build(&image).unwrap();
    image
}

/// A machine with the ISO's kernel, its own initrd and ours after it.
pub fn machine(name: &str, iso: &Iso, form: Form, words: &str) -> Machine {
    let ours = second_initrd(form);
    let words = match form {
        Form::Init => words.to_owned(),
        Form::Rdinit => format!("rdinit=/isolde/init {words}"),
    };
    // One processor each: two machines run at a time.
    Machine::direct(name, &folder(), &iso.kernel, &[&iso.initrd, &ours], &words).processors(1)
}

/// A running machine, its boot over, and what it can be asked.
pub struct Booted {
    pub vm: Vm,
    pub shell: Shell,
}

impl Booted {
    /// Starts it and waits until the real init is done, whatever its result.
    pub fn start(machine: &Machine) -> Booted {
        let mut booted = Booted::begin(machine);
        booted.shell.run_within("systemctl is-system-running --wait", BOOT).unwrap();
        booted
    }

    /// Starts it and takes the root's shell as soon as there is one. The real init has only begun: enough to ask what its
    /// root is made of, in a quarter of the time.
    pub fn begin(machine: &Machine) -> Booted {
        let mut vm = machine.start().unwrap();
        let shell = vm.shell(BOOT).unwrap();
        Booted { vm, shell }
    }

    /// The output of a command that has to succeed, trimmed.
    pub fn ask(&mut self, command: &str) -> String {
        self.shell.check(command).unwrap().trim().to_owned()
    }

    /// `FSTYPE SOURCE` of a mount point.
    pub fn mount_at(&mut self, target: &str) -> String {
        let text = self.ask(&format!("findmnt -n -r -o FSTYPE,SOURCE {target}"));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A mount point's options, each with a comma on both sides.
    pub fn options_of(&mut self, target: &str) -> String {
        format!(",{},", self.ask(&format!("findmnt -n -r -o OPTIONS {target}")))
    }

    pub fn report(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.ask("cat /run/isolde/report.json")).unwrap()
    }

    /// What holds after every boot of ours: systemd is content, the initramfs is gone from memory, and every loop
    /// device will go when its mount goes.
    pub fn assert_clean(&mut self) {
        assert_eq!(self.ask("systemctl --failed --plain --no-legend"), "");
        assert_eq!(self.ask("systemctl is-system-running"), "running");
        assert_eq!(self.ask("ls -d /etc/initrd-release 2>/dev/null || true"), "");
        // Unpacked, the stock initrd alone is over 100 MB, and memory of the initramfs counts as Shmem.
        let shmem: u64 = self.ask("awk '/^Shmem:/ {print $2}' /proc/meminfo").parse().unwrap();
        assert!(shmem < 40_000, "{shmem} kB are held by files in memory: was the initramfs emptied?");
        let loops = self.ask("losetup -n -l -O NAME,AUTOCLEAR");
        assert!(!loops.is_empty() && loops.lines().all(|line| line.split_whitespace().nth(1) == Some("1")), "{loops}");
        assert_eq!(self.ask("cat /proc/sys/kernel/modprobe"), "/sbin/modprobe");
    }

    /// Stops the system as a user does. Whatever was booted, nothing stays mounted.
    pub fn power_off(mut self) {
        assert!(self.vm.power_off(&mut self.shell, BOOT).unwrap().success());
        let log = self.vm.log_text().unwrap();
        assert!(log.contains("isolde: exit: everything is unmounted") && !log.contains("stays mounted"), "{log}");
    }
}

/// Starts a machine whose boot must be refused: the message (a regular expression) is on the console, the machine is about to
/// power off as asked, and the real init never ran. Gives it, as it counts the last ten seconds down.
pub fn assert_refused(machine: &Machine, message: &str) -> Vm {
    let mut vm = machine.start().unwrap();
    vm.wait_for(message, REFUSAL).unwrap();
    vm.wait_for("isolde: hint: ", REFUSAL).unwrap();
    vm.wait_for("isolde: powering off in ", REFUSAL).unwrap();
    let log = vm.log_text().unwrap();
    assert!(!log.contains("systemd["), "the real init was started");
    assert!(!log.contains("Kernel panic"), "{log}");
    vm
}

/// `bus` is what every test has that does not say otherwise: a stick on USB.
pub fn stick(image: &Path) -> Disk {
    Disk::new("stick", image, Bus::Usb)
}
