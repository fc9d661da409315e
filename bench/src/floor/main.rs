//! The floor: the least that a program can do to boot the Debian ISO of the benchmark. It knows everything beforehand:
//! the modules and their order, the device, every path and every file system. It looks for nothing, checks nothing,
//! explains nothing and takes nothing with it. What Isolde needs more time than this is the price of discovery.
//!
//! Takes   the name of the bus as last argument (kernel words after `--`), and a stock initrd that holds the modules.
//! Gives   control to /sbin/init in the overlay.
//! Fails   with one line on the console; the kernel then panics, and the benchmark sees a machine that ended.

mod loop_device;
mod modules;

use std::convert::Infallible;
use std::ffi::CStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, mount, mount_move};

/// Between two looks for the device. Shorter takes processor time from the kernel that is making it.
const POLL: Duration = Duration::from_millis(2);
/// After this the boot has failed.
const LIMIT: Duration = Duration::from_secs(60);

const STORE: &str = "/run/floor/store";
const ISO: &str = "/run/floor/iso";
const LOWER: &str = "/run/floor/lower";
const UPPER: &str = "/run/floor/upper";
const ROOT: &str = "/run/floor/root";

fn main() {
    let Err(error) = boot();
    eprintln!("floor: {error:#}");
}

fn boot() -> Result<Infallible> {
    let bus = std::env::args().next_back().context("the bus as last argument")?;
    mount_fixed("proc", "/proc", "proc", None)?;
    mount_fixed("sysfs", "/sys", "sysfs", None)?;
    mount_fixed("devtmpfs", "/dev", "devtmpfs", Some(c"mode=0755"))?;
    mount_fixed("tmpfs", "/run", "tmpfs", Some(c"mode=0755"))?;
    modules::load(&bus)?;
    let device = wait_for(modules::device(&bus)?)?;

    mount_read_only(device, STORE, "ext4")?;
    mount_file(&Path::new(STORE).join("boot/iso/debian.iso"), ISO, "iso9660")?;
    mount_file(&Path::new(ISO).join("live/filesystem.squashfs"), LOWER, "squashfs")?;
    mount_fixed("tmpfs", UPPER, "tmpfs", Some(c"mode=0755"))?;
    for folder in ["upper", "work"] {
        fs::create_dir(Path::new(UPPER).join(folder)).context("a folder of the upper layer")?;
    }
    const LAYERS: &CStr = c"lowerdir=/run/floor/lower,upperdir=/run/floor/upper/upper,workdir=/run/floor/upper/work";
    mount_fixed("overlay", ROOT, "overlay", Some(LAYERS))?;
    enter()
}

/// Waits until the node is there.
fn wait_for(device: &'static str) -> Result<&'static str> {
    let start = Instant::now();
    while !Path::new(device).exists() {
        if start.elapsed() > LIMIT {
            bail!("no {device} within {} s", LIMIT.as_secs());
        }
        std::thread::sleep(POLL);
    }
    Ok(device)
}

fn mount_fixed(source: &str, target: &str, kind: &str, data: Option<&CStr>) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("create {target}"))?;
    mount(source, target, kind, MountFlags::empty(), data).with_context(|| format!("mount {kind} at {target}"))
}

fn mount_read_only(device: &str, target: &str, kind: &str) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("create {target}"))?;
    mount(device, target, kind, MountFlags::RDONLY, None).with_context(|| format!("mount {device} at {target}"))
}

fn mount_file(file: &Path, target: &str, kind: &str) -> Result<()> {
    let image = File::open(file).with_context(|| format!("open {}", file.display()))?;
    // Held until the mount holds the device: it is detached by itself when nobody does.
    let (_held, device) = loop_device::attach(&image).with_context(|| format!("attach {}", file.display()))?;
    mount_read_only(&device, target, kind)
}

/// Moves what systemd expects to find, makes the overlay the root, and becomes the real init.
///
/// A mount cannot be moved below itself, so the root leaves /run before /run moves into it.
fn enter() -> Result<Infallible> {
    for folder in ["/dev", "/proc", "/sys"] {
        let target = format!("{ROOT}{folder}");
        mount_move(folder, &target).with_context(|| format!("move {folder}"))?;
    }
    const OUTSIDE: &str = "/floor-root";
    fs::create_dir(OUTSIDE).with_context(|| format!("create {OUTSIDE}"))?;
    mount_move(ROOT, OUTSIDE).context("move the root")?;
    mount_move("/run", format!("{OUTSIDE}/run")).context("move /run")?;
    rustix::process::chdir(OUTSIDE).context("enter the root")?;
    mount_move(".", "/").context("move the root over /")?;
    rustix::process::chroot(".").context("change the root")?;
    rustix::process::chdir("/").context("enter the root")?;
    Err(Command::new("/sbin/init").exec()).context("execute /sbin/init")
}
