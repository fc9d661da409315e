//! A virtual machine: started, watched over its serial console, asked through a root shell, ended.
//!
//! Takes   a [`Machine`]: what boots, and the disks.
//! Gives   a [`Vm`]: lines of the console, a root shell in the guest, disks that come and go.
//! Leaves  the log of the console in the folder given; the process and its sockets end with the value.
//! Fails   when QEMU is missing or refuses, or the guest does not do what is waited for in time; the message ends with
//!         the last lines of the console and the path of the log.

mod accelerator;
mod arguments;
mod console;
mod disks;
mod monitor;
mod shares;
mod shell;
mod vm;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use accelerator::Accelerator;
pub use console::Line;
pub use shares::virtiofs_daemon;
pub use shell::{Answer, Shell};
pub use vm::Vm;

use crate::initrd::concatenate;
use crate::kernel;
use crate::tool::command;
use console::Console;
use monitor::Monitor;

/// Kernel words that make systemd start a root shell on the second serial port. systemd 236 and later; nothing in the
/// image is needed for it.
pub const ROOT_SHELL: &str = "systemd.debug_shell=ttyS1";

/// Kernel words of every test: messages on the first serial port, and a crash ends the machine at once. On a busy host the
/// emulated timer ticks too late for the kernel's check of it, which would be a panic. Self-tests of ciphers and the repair
/// of a processor's faults take seconds of each boot.
pub const WATCHED: &str = "console=ttyS0,115200 panic=1 oops=panic no_timer_check cryptomgr.notests mitigations=off";

/// Time between two looks at the guest.
const POLL: Duration = Duration::from_millis(30);

/// What a disk is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk on PCI: `/dev/vda`.
    Virtio,
    /// virtio-scsi on PCI: `/dev/sda`.
    VirtioScsi,
    /// A stick on USB 3, one command at a time (BOT): `/dev/sda`.
    Usb,
    /// The same behind a hub, at the speed of USB 1, as QEMU has no other hub.
    UsbHub,
    /// A disk on USB 3 that takes SCSI commands (UAS): `/dev/sda`.
    Uas,
    /// SATA by AHCI: `/dev/sda`.
    Ahci,
    /// A parallel ATA disk on the machine's own controller (PIIX): `/dev/sda`.
    Ide,
    /// NVMe: `/dev/nvme0n1`.
    Nvme,
    /// An SD card in a reader on PCI: `/dev/mmcblk0`. Its size has to be a power of two.
    Sd,
    /// A disc in an ATAPI drive: `/dev/sr0`.
    IdeCd,
    /// A disc in a SCSI drive: `/dev/sr0`.
    ScsiCd,
}

/// A raw disk image in a machine.
#[derive(Debug, Clone)]
pub struct Disk {
    pub(crate) name: String,
    pub(crate) image: PathBuf,
    pub(crate) bus: Bus,
    pub(crate) kept: bool,
    pub(crate) late: bool,
    pub(crate) rate: Option<u64>,
}

impl Disk {
    /// A disk that is there from the start. What the guest writes is thrown away. `name` is for [`Vm::plug`]; letters
    /// and digits.
    pub fn new(name: &str, image: &Path, bus: Bus) -> Self {
        Self { name: name.to_owned(), image: image.to_owned(), bus, kept: false, late: false, rate: None }
    }

    /// What the guest writes stays in the image.
    pub fn kept(self) -> Self {
        Self { kept: true, ..self }
    }

    /// Not plugged in until [`Vm::plug`].
    pub fn late(self) -> Self {
        Self { late: true, ..self }
    }

    /// Reads and writes at most that many bytes a second.
    pub fn slow(self, rate: u64) -> Self {
        Self { rate: Some(rate), ..self }
    }
}

/// A directory of this machine that the guest sees, by its tag.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // tag and folder are what they are called
pub enum Share {
    /// By 9p. Owners are kept in `.virtfs_metadata` beside the files.
    NineP { tag: String, folder: PathBuf },
    /// By virtiofs, for which [`virtiofs_daemon`] has to be there.
    Virtiofs { tag: String, folder: PathBuf },
}

/// The firmware that starts the boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF, without Secure Boot.
    Uefi,
}

/// What starts in a machine.
#[derive(Debug, Clone)]
pub(crate) enum Boot {
    Kernel { kernel: PathBuf, initrds: Vec<PathBuf>, words: String },
    Firmware(Firmware),
}

/// A machine to be started.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) name: String,
    pub(crate) logs: PathBuf,
    pub(crate) boot: Boot,
    pub(crate) disks: Vec<Disk>,
    pub(crate) shares: Vec<Share>,
    pub(crate) probe: Option<PathBuf>,
    pub(crate) memory: u32,
    pub(crate) processors: u32,
    pub(crate) others: bool,
    pub(crate) network: bool,
    pub(crate) aes: bool,
}

impl Machine {
    /// A machine that starts a kernel directly, with initrds one after the other. [`WATCHED`] and [`ROOT_SHELL`] are
    /// put before `words`. The log of the console will be `<logs>/<name>.log`.
    pub fn direct(name: &str, logs: &Path, kernel: &Path, initrds: &[&Path], words: &str) -> Self {
        let initrds = initrds.iter().map(|path| path.to_path_buf()).collect();
        let words = format!("{WATCHED} {ROOT_SHELL} {words}");
        Self::new(name, logs, Boot::Kernel { kernel: kernel.to_owned(), initrds, words })
    }

    /// A machine whose firmware boots from its first disk. The boot loader must pass [`WATCHED`] and [`ROOT_SHELL`] for
    /// the console and the shell to be of use.
    pub fn firmware(name: &str, logs: &Path, firmware: Firmware) -> Self {
        Self::new(name, logs, Boot::Firmware(firmware))
    }

    fn new(name: &str, logs: &Path, boot: Boot) -> Self {
        Self {
            name: name.to_owned(),
            logs: logs.to_owned(),
            boot,
            disks: Vec::new(),
            shares: Vec::new(),
            probe: None,
            memory: 1024,
            processors: 2,
            others: false,
            network: false,
            aes: false,
        }
    }

    /// With what a computer has besides disks: a screen, two network cards, a sound card, a USB keyboard.
    pub fn other_devices(self) -> Self {
        Self { others: true, ..self }
    }

    /// With a network card that reaches this machine's own loopback at 10.0.2.2.
    pub fn network(self) -> Self {
        Self { network: true, ..self }
    }

    /// With a processor that has instructions for AES.
    pub fn aes(self) -> Self {
        Self { aes: true, ..self }
    }

    /// With one disk more.
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disks.push(disk);
        self
    }

    /// With one directory more that the guest sees.
    pub fn share(mut self, share: Share) -> Self {
        self.shares.push(share);
        self
    }

    /// With a kernel to try KVM with, for machines that are not started from a kernel; see [`Accelerator`].
    pub fn probe_with(self, kernel: &Path) -> Self {
        Self { probe: Some(kernel.to_owned()), ..self }
    }

    /// With that many MiB of memory instead of 1024.
    pub fn memory(self, mebibytes: u32) -> Self {
        Self { memory: mebibytes, ..self }
    }

    /// With that many processors instead of 2.
    pub fn processors(self, count: u32) -> Self {
        Self { processors: count, ..self }
    }

    /// Starts it, watched: for tests.
    ///
    /// The process ends when the calling thread does, should [`Vm`] not be dropped: a killed test leaves no machine.
    ///
    /// # Errors
    /// When QEMU is not installed or refuses its arguments, or the log cannot be written.
    pub fn start(&self) -> Result<Vm> {
        std::fs::create_dir_all(&self.logs).with_context(|| format!("create {}", self.logs.display()))?;
        let work = tempfile::Builder::new().prefix("isolde-vm-").tempdir().context("a work folder")?;
        let log = self.logs.join(format!("{}.log", self.name));
        let daemons = shares::start(&self.shares, work.path())?;
        let mut qemu = self.command(work.path())?;
        qemu.args(arguments::watched(work.path())?);
        let errors = work.path().join("qemu.txt");
        let create = |path: &Path| File::create(path).with_context(|| format!("create {}", path.display()));
        // A file takes all that the console says at once. To a reader that is late, QEMU would say some of it twice.
        qemu.stdin(Stdio::piped()).stdout(create(&log)?).stderr(create(&errors)?);
        let mut child = qemu.spawn().context("start setpriv and qemu-system-x86_64; ./setup.sh installs them")?;
        let limit = Instant::now() + Duration::from_secs(20);
        let monitor = loop {
            if let Some(status) = child.try_wait().context("wait for QEMU")? {
                bail!("QEMU: {status}: {}", std::fs::read_to_string(&errors).unwrap_or_default());
            }
            match Monitor::connect(&work.path().join(arguments::MONITOR)) {
                Ok(monitor) => break monitor,
                Err(error) if Instant::now() > limit => {
                    child.kill().context("end QEMU")?;
                    return Err(error.context("QEMU opens no monitor"));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        };
        // At once: what a shell prints while nobody is connected is lost.
        let shell = Shell::connect(&work.path().join(arguments::SHELL))?;
        let console = Console::new(&log, child.stdin.take());
        Ok(Vm::new(self.clone(), child, work, console, shell, monitor).with(daemons))
    }

    /// Runs it with its console on the caller's terminal, until it is powered off or the user ends it.
    ///
    /// # Errors
    /// When QEMU is not installed, or ends with an error.
    pub fn run_on_terminal(&self) -> Result<()> {
        let work = tempfile::Builder::new().prefix("isolde-vm-").tempdir().context("a work folder")?;
        let mut qemu = self.command(work.path())?;
        let status = qemu.args(arguments::on_terminal()).status().context("start qemu-system-x86_64")?;
        if !status.success() {
            bail!("QEMU: {status}");
        }
        Ok(())
    }

    fn command(&self, work: &Path) -> Result<std::process::Command> {
        let kernel = match &self.boot {
            Boot::Kernel { kernel, initrds, .. } => {
                concatenate(initrds, &work.join(arguments::INITRD))?;
                std::os::unix::fs::symlink(kernel::unpacked(kernel)?, work.join(arguments::KERNEL))
                    .context("a link to the kernel")?;
                Some(kernel)
            }
            Boot::Firmware(firmware) => {
                if *firmware == Firmware::Uefi {
                    arguments::copy_firmware_variables(work)?;
                }
                self.probe.as_ref()
            }
        };
        let accelerator = accelerator::choose(kernel.map(PathBuf::as_path))?;
        // setpriv replaces itself by QEMU, so the process id is QEMU's own.
        let mut qemu = command("setpriv");
        qemu.args(["--pdeathsig", "KILL"]).args(arguments::machine(self, accelerator, work)?);
        Ok(qemu)
    }
}
