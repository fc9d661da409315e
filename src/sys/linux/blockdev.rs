//! Block devices: BLKROSET of linux/fs.h, with which the kernel itself refuses every write. A file system that is
//! mounted read-only may still write, to replay its journal; on a device like this it cannot.
#![allow(unsafe_code)] // ioctls have no safe form

use linux_raw_sys::ioctl::BLKROSET;
use rustix::ioctl::{self, Opcode};
use std::fs::File;
use std::io;

/// Sets or takes back the read-only mark. A write-protected medium stays so.
pub(super) fn set_read_only(device: &str, read_only: bool) -> io::Result<()> {
    let file = File::open(device)?;
    // SAFETY: BLKROSET reads one int (block/ioctl.c, blkdev_roset).
    unsafe {
        let set = ioctl::Setter::<{ BLKROSET as Opcode }, i32>::new(i32::from(read_only));
        ioctl::ioctl(&file, set)?;
    }
    Ok(())
}
