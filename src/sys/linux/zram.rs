//! Swap space in compressed memory: a device of /sys/class/zram-control (kernel: admin-guide/blockdev/zram.rst) with the header
//! that mkswap(8) writes (linux/swap.h, `union swap_header`; mm/swapfile.c reads it), and `swapon(2)`.
#![allow(unsafe_code)] // rustix has no swapon

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

const CONTROL: &str = "/sys/class/zram-control";
/// The services of distributions make their swap space on zram0, which the kernel makes with the module.
const THEIRS: u32 = 0;
/// Before any swap space on a disk, as zram-generator has it.
const PRIORITY: i32 = 100;
/// SWAP_FLAG_PREFER of linux/swap.h: the lower bits are a priority.
const PREFER: i32 = 0x8000;

/// What /proc/swaps calls it, after a slash.
const NODE: &str = "zram";
const MAGIC: &[u8] = b"SWAPSPACE2";
const VERSION_1: u32 = 1;
/// Where the header has its fields, behind a kilobyte for boot loaders.
const VERSION: usize = 1024;
const LAST_PAGE: usize = 1028;

/// Makes a device and swaps to it.
pub(super) fn swap(size: u64) -> io::Result<()> {
    let number = match hot_add()? {
        THEIRS => hot_add()?,
        number => number,
    };
    start(number, size).inspect_err(|_| {
        // Unused it takes next to nothing. The first failure is the one to be told.
        _ = std::fs::write([CONTROL, "/hot_remove"].concat(), number.to_string());
    })
}

/// To read the file makes a device.
fn hot_add() -> io::Result<u32> {
    let number = std::fs::read_to_string([CONTROL, "/hot_add"].concat())?;
    number.trim().parse().map_err(io::Error::other)
}

fn start(number: u32, size: u64) -> io::Result<()> {
    let folder = format!("/sys/block/zram{number}");
    std::fs::write([&folder, "/disksize"].concat(), size.to_string())?;
    let device = std::fs::read_to_string([&folder, "/dev"].concat())?;
    let (major, minor) = device.trim().split_once(':').ok_or(Errno::INVAL)?;
    let number = |text: &str| text.parse().map_err(io::Error::other);
    swap_unseen(rustix::fs::makedev(number(major)?, number(minor)?), &header(size, rustix::param::page_size())?)
}

/// The node is in a file system that is mounted nowhere. Nobody can name it, so nobody switches the swap space off: before it
/// stops, systemd's process 1 would (src/shutdown/detach-swap.c), and where more is in it than memory takes, the kernel panics
/// as it finds no other process to end.
fn swap_unseen(device: u64, header: &[u8]) -> io::Result<()> {
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(&context)?;
    let mount: OwnedFd = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    rustix::fs::mknodat(&mount, NODE, FileType::BlockDevice, Mode::RUSR | Mode::WUSR, device)?;
    let path = format!("/proc/self/fd/{}/{NODE}", mount.as_raw_fd());
    let node = rustix::fs::openat(CWD, path.as_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    File::from(node).write_all_at(header, 0)?;
    let path = CString::new(path)?;
    // SAFETY: swapon reads a path, which lives until it returns, and numbers (swapon(2)).
    match unsafe { libc::swapon(path.as_ptr(), PREFER | PRIORITY) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The first page. The rest is zero: no bad pages, no UUID, no name.
fn header(size: u64, page: usize) -> io::Result<Vec<u8>> {
    let pages = size / u64::try_from(page).map_err(io::Error::other)?;
    let last = pages.checked_sub(1).ok_or(Errno::INVAL)?;
    let last = u32::try_from(last).map_err(io::Error::other)?;
    let mut bytes = vec![0; page];
    let magic = page.checked_sub(MAGIC.len()).ok_or(Errno::INVAL)?;
    let fields = [(VERSION, &VERSION_1.to_ne_bytes()[..]), (LAST_PAGE, &last.to_ne_bytes()), (magic, MAGIC)];
    for (at, field) in fields {
        bytes.get_mut(at..at + field.len()).ok_or(Errno::INVAL)?.copy_from_slice(field);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_header_is_that_of_mkswap() {
        for page in [4096, 16384, 65536] {
            let ours = header(1 << 20, page).unwrap();
            let last = u32::try_from((1 << 20) / page).unwrap() - 1;
            let file = File::from(rustix::fs::memfd_create("swap", rustix::fs::MemfdFlags::empty()).unwrap());
            file.set_len(1 << 20).unwrap();
            let page = page.to_string();
            let mut mkswap = Command::new("mkswap");
            mkswap.args(["--pagesize", &page, "--uuid", "clear"]).arg(format!(
                "/proc/{}/fd/{}",
                std::process::id(),
                file.as_raw_fd()
            ));
            let done = mkswap.output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            let mut theirs = vec![0; ours.len()];
            file.read_exact_at(&mut theirs, 0).unwrap();
            assert_eq!(ours[LAST_PAGE..LAST_PAGE + 4], last.to_ne_bytes());
            assert!(ours == theirs, "{page}");
        }
    }

    #[test]
    fn less_than_a_page_is_refused() {
        assert!(header(4095, 4096).is_err());
        assert!(header(u64::MAX, 4096).is_err());
    }
}
