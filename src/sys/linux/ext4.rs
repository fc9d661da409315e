//! A mounted ext4 that grows: EXT4_IOC_RESIZE_FS of fs/ext4/ext4.h, as resize2fs(8) uses it.
#![allow(unsafe_code)] // ioctls have no safe form

use super::paths;
use crate::op::{MAP_SECTOR, Place};
use rustix::fs::{OFlags, major, minor};
use rustix::io::Errno;
use rustix::ioctl::{self, opcode};
use std::io;

/// Grows the file system that is mounted there to the end of its device.
pub(super) fn grow(at: &Place) -> io::Result<()> {
    let folder = paths::open(at, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let device = rustix::fs::fstat(&folder)?.st_dev;
    let size = format!("/sys/dev/block/{}:{}/size", major(device), minor(device)); // in sectors, whatever the device has
    let sectors: u64 = std::fs::read_to_string(size)?.trim().parse().map_err(io::Error::other)?;
    let block = u64::try_from(rustix::fs::fstatfs(&folder)?.f_bsize).map_err(io::Error::other)?;
    let blocks = sectors.checked_mul(MAP_SECTOR).and_then(|bytes| bytes.checked_div(block)).ok_or(Errno::OVERFLOW)?;
    // SAFETY: EXT4_IOC_RESIZE_FS reads one 64-bit number of blocks (fs/ext4/ioctl.c); other file systems refuse it.
    unsafe {
        let resize = ioctl::Setter::<{ opcode::write::<u64>(b'f', 16) }, u64>::new(blocks);
        ioctl::ioctl(&folder, resize)?;
    }
    Ok(())
}
