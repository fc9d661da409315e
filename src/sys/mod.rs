//! The only place that calls the kernel.
//!
//! [`Sys`] is what a boot needs of a kernel. [`linux`] is the real one; [`record`] is a fake that keeps what was done,
//! plays devices that arrive, fails at any operation asked for, and refuses what the kernel would refuse.

pub mod linux;
pub mod record;

use crate::formats::ReadAt;
use crate::op::{ImageMount, Mapping, Op, Place, Program, Verity};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What stands at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; `executable` when any execute bit is set.
    File {
        /// Any of the three execute bits (`inode(7)`).
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A block device.
    BlockDevice,
    /// Anything else.
    Other,
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name, without a slash. Names that are not UTF-8 are left out by [`Sys::list`], which says so nowhere: no
    /// path that Isolde uses can hold them.
    pub name: String,
    /// Whether the name is a directory itself; a link to one is not.
    pub is_directory: bool,
}

/// A block device as the kernel shows it in /sys/class/block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    /// Its name below /dev.
    pub name: String,
    /// The whole disk that a partition belongs to.
    pub disk: Option<String>,
    /// The partition's number.
    pub partition: Option<u32>,
    /// The kernel's number of the disk, which no other has had since it started: a name is given to the next one at once.
    /// Before kernel 5.15 there is none.
    pub sequence: Option<u64>,
    /// Size in bytes.
    pub size: u64,
    /// Removable, or on USB: searched first.
    pub removable: bool,
    /// How it is connected, for people.
    pub bus: Bus,
    /// The name below /dev/mapper, for a device that the device mapper made.
    pub mapped: Option<String>,
}

/// How a block device is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of the buses
pub enum Bus {
    Usb,
    Ata,
    Nvme,
    Mmc,
    Virtio,
    Scsi,
    /// Made of other block devices.
    Mapped,
    #[default]
    Other,
}

impl Bus {
    /// The bus in a word; `None` where it says nothing.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Bus::Usb => Some("usb"),
            Bus::Ata => Some("ata"),
            Bus::Nvme => Some("nvme"),
            Bus::Mmc => Some("mmc"),
            Bus::Virtio => Some("virtio"),
            Bus::Scsi => Some("scsi"),
            Bus::Mapped => Some("mapped"),
            Bus::Other => None,
        }
    }
}

/// Something happened to the devices (kernel: Documentation/core-api/kobject.rst, uevents).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A device appeared that asks for a driver by this modalias.
    Device {
        /// As in modules.alias.
        modalias: String,
    },
    /// Block devices came, went or changed.
    Block,
    /// The kernel had to drop events: look at everything again.
    Lost,
    /// Somebody typed this at a console, since [`Sys::open_consoles`].
    Typed {
        /// The bytes as the terminal sent them.
        bytes: Vec<u8>,
    },
}

/// How a program in the new root ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It was still running at its limit and was killed.
    TimedOut,
}

/// How urgent a line of the log is; the numbers of syslog(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The boot cannot go on.
    Error = 3,
    /// Something was left out.
    Warning = 4,
    /// Somebody is waiting and must see it.
    Notice = 5,
    /// One line per stage.
    Info = 6,
    /// Every operation.
    Debug = 7,
}

/// How the machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Reboot.
    Reboot,
    /// Power off.
    PowerOff,
    /// Stop and stay switched on.
    Halt,
    /// Start the kernel that was loaded with kexec(8).
    Kexec,
}

/// How large a file system is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What can still be written.
    pub free: u64,
    /// All of it.
    pub size: u64,
}

/// A process that keeps a mount busy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub pid: u32,
    /// Its name (`comm`).
    pub name: String,
    /// One of the files that it uses there.
    pub file: String,
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Names come from whoever made the process.
        write!(f, "{}[{}] ({})", self.name.escape_debug(), self.pid, self.file.escape_debug())
    }
}

/// A file that can be told what will be read from it next.
pub trait Advise: ReadAt {
    /// These bytes come soon (`posix_fadvise(2)`, POSIX_FADV_WILLNEED). Only advice: what fails here, fails at the read.
    fn will_need(&self, _offset: u64, _length: u64) {}
}

/// The kernel, as far as a boot needs it. Every method that changes the machine takes `&mut self`.
pub trait Sys {
    /// An open file. What was checked through it is what is mounted: there is no second look-up by path.
    type File: Advise + std::fmt::Debug + Send + Sync;

    /// Time since the kernel started (`clock_gettime(2)`, CLOCK_BOOTTIME).
    fn now(&self) -> Duration;

    /// Seconds since 1970 (`clock_gettime(2)`, CLOCK_REALTIME), as the machine's own clock has them: it can be wrong.
    fn wall_clock(&self) -> u64;

    /// The arguments that the kernel gave to process 1, without its name.
    fn arguments(&self) -> Vec<OsString>;

    /// Where the program file of this process is, for the kernel to run it again; `None` when that is unknown.
    fn own_path(&self) -> Option<String>;

    /// Most memory that this process ever had resident, in KiB (VmHWM in `proc_pid_status(5)`).
    fn peak_memory(&self) -> Option<u64>;

    /// Opens for reading (`openat2(2)` with RESOLVE_IN_ROOT).
    fn open(&self, at: &Place) -> io::Result<Self::File>;

    /// Opens for reading and writing, for an image that the user writes to.
    fn open_writable(&mut self, at: &Place) -> io::Result<Self::File>;

    /// Makes an empty file; its folder must exist.
    fn create(&mut self, at: &Place, executable: bool) -> io::Result<Self::File>;

    /// Copies bytes to the same place of another file; gives how many, at most `length`, and 0 at the end.
    fn copy(&mut self, from: &Self::File, to: &Self::File, offset: u64, length: u64) -> io::Result<u64>;

    /// Whose it is: user and group id, links followed (`stat(2)`).
    fn owner(&self, at: &Place) -> io::Result<(u32, u32)>;

    /// What stands there; `None` when nothing does.
    fn kind(&self, at: &Place) -> io::Result<Option<Kind>>;

    /// The names of a directory, sorted.
    fn list(&self, at: &Place) -> io::Result<Vec<Entry>>;

    /// All block devices that have a size.
    fn block_devices(&self) -> io::Result<Vec<BlockDevice>>;

    /// The size in bytes that the disk counts its sectors in: what a partition table counts in.
    fn logical_block_size(&self, disk: &str) -> io::Result<u64>;

    /// The modalias of every device that has one.
    fn modaliases(&self) -> io::Result<Vec<String>>;

    /// Whether a USB disk has a driver by now and has not shown its disk yet.
    fn is_usb_disk_coming(&self) -> bool;

    /// The modalias of every device on PCI, USB, SCSI and virtio that no driver has taken.
    fn without_driver(&self) -> io::Result<Vec<String>>;

    /// Waits until something happens to the devices or somebody types, at most `limit`; empty when the time is over.
    /// Device events since the first call of [`Sys::listen`] are not missed.
    fn wait_for_events(&mut self, limit: Duration) -> io::Result<Vec<Event>>;

    /// Starts to collect events.
    fn listen(&mut self) -> io::Result<()>;

    /// `finit_module(2)`; the kernel unpacks the file itself or, where it cannot, it is unpacked here. A module that is
    /// loaded already is no error.
    fn load_module(&mut self, module: &Self::File, parameters: &str) -> io::Result<()>;

    /// Loads modules in the background, in their order, while this process goes on. A hint only: nothing waits for it and
    /// nothing reports it, as what is needed is loaded again by [`Sys::load_module`]; the kernel makes that one wait when
    /// the module is on its way.
    fn load_modules_ahead(&mut self, modules: &[Self::File]) -> io::Result<()>;

    /// Attaches the file to a loop device (LOOP_CONFIGURE in `loop(4)`, autoclear) and mounts that; gives the device.
    fn mount_image(&mut self, image: &Self::File, mount: &ImageMount) -> io::Result<PathBuf>;

    /// Attaches an image and its hash tree to loop devices, with dm-verity over both; gives that device. All of them last as
    /// long as something uses it, or until [`Op::Unmap`].
    fn seal(&mut self, image: &Self::File, tree: &Self::File, verity: &Verity) -> io::Result<PathBuf>;

    /// Attaches images to loop devices and makes a mapped device of them; gives that device. Each part of `mapping` is on
    /// the image in its place, or on the last one; the devices it names are replaced. All of them last as long as something
    /// uses them, or until [`Op::Unmap`].
    fn map_images(&mut self, images: &[Self::File], mapping: &Mapping) -> io::Result<PathBuf>;

    /// Does it.
    fn apply(&mut self, op: &Op) -> io::Result<()>;

    /// Runs a program in the new root; each line that it prints goes to `line`. Its process group ends with it.
    fn run(&mut self, program: &Program, line: &mut dyn FnMut(&str)) -> io::Result<End>;

    /// Replaces this process.
    fn exec(&mut self, program: &Path, arguments: &[OsString]) -> io::Result<Infallible>;

    /// Writes one line to the kernel's log and, from `Notice` on, makes sure that the console shows it.
    fn log(&mut self, level: Level, line: &str);

    /// Does nothing for this long.
    fn sleep(&mut self, time: Duration);

    /// Takes every console that the kernel writes to, byte by byte and without echo (`termios(3)`, raw mode); gives how
    /// many there are. Those that are open already stay so.
    fn open_consoles(&mut self) -> usize;

    /// Gives the consoles back as they were.
    fn close_consoles(&mut self);

    /// Writes to every console: text of many lines, or an echo. Control characters other than line ends are shown, not
    /// sent.
    fn show(&mut self, text: &str);

    /// The kernel's log so far, one line for each record (`/dev/kmsg`, kernel: Documentation/ABI/testing/dev-kmsg).
    fn kernel_log(&self) -> io::Result<String>;

    /// Runs the initramfs' own shell on the console until it ends; an error when there is none.
    fn shell(&mut self) -> io::Result<()>;

    /// Lets go of what this process has from its former root: standard streams, other open files, the working directory.
    fn let_go(&mut self) -> io::Result<()>;

    /// What the file system at this place has room for (`statvfs(3)`).
    fn space(&self, at: &Place) -> io::Result<Space>;

    /// Why an overlay cannot have its upper layer in this directory, tried out; `None` when it can.
    fn fault_as_upper(&mut self, at: &Place) -> io::Result<Option<&'static str>>;

    /// Who uses what is mounted at this path. Empty when that cannot be found out, or nobody does.
    fn users(&self, at: &str) -> Vec<User>;

    /// Ends every process but this one, process 1 (`kill(2)`, SIGKILL to -1).
    fn end_others(&mut self) -> io::Result<()>;

    /// Has process 1 execute this program in its own place, with one argument (`ptrace(2)`, `execve(2)`); it keeps its open
    /// files. An error when it goes on as it was.
    fn replace_process_1(&mut self, program: &str, argument: &str) -> io::Result<()>;

    /// Waits until process 1, or a child that it makes meanwhile, asks the kernel to stop the machine, and gives how; the
    /// machine does not stop. Process 1 is held for [`Sys::replace_process_1`] (`ptrace(2)`, `reboot(2)`).
    fn await_end(&mut self) -> io::Result<Halt>;

    /// Syncs and stops the machine.
    fn halt(&mut self, how: Halt) -> io::Result<Infallible>;
}

/// Reads a whole small file, or fails when it holds more than `limit` bytes. What the file says of its size is only a
/// hint: files of /proc say 0, those of /sys a page.
pub fn read<S: Sys>(sys: &S, at: &Place, limit: u64) -> io::Result<Vec<u8>> {
    const STEP: usize = 4096;
    let file = sys.open(at)?;
    let size = file.size()?;
    let expected = usize::try_from(size.min(limit)).unwrap_or(STEP);
    let mut bytes = Vec::with_capacity(expected + 1);
    let mut step = vec![0; expected.clamp(STEP, 1 << 20)];
    loop {
        let offset = bytes.len() as u64;
        match file.read_at(&mut step, offset)? {
            0 => return Ok(bytes),
            n => bytes.extend_from_slice(step.get(..n).unwrap_or_default()),
        }
        if bytes.len() as u64 > limit {
            return Err(too_large(size.max(bytes.len() as u64), limit));
        }
    }
}

/// Bytes of memory that are free without swapping (MemAvailable in proc_meminfo(5)).
pub fn available_memory<S: Sys>(sys: &S) -> Option<u64> {
    memory(sys, "MemAvailable:")
}

/// Bytes of memory that the kernel has for itself and for programs (MemTotal).
pub fn total_memory<S: Sys>(sys: &S) -> Option<u64> {
    memory(sys, "MemTotal:")
}

fn memory<S: Sys>(sys: &S, name: &str) -> Option<u64> {
    let text = read(sys, &Place::at("/proc/meminfo"), 1 << 16).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn too_large(size: u64, limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("{size} bytes or more, at most {limit} are read"))
}
