//! Loop devices: LOOP_CTL_GET_FREE and LOOP_CONFIGURE of `loop(4)`. No crate does it in one call (docs/dependencies.md).
#![allow(unsafe_code)] // ioctls have no safe form

use linux_raw_sys::loop_device as abi;
use rustix::io::Errno;
use rustix::ioctl::{self, IoctlOutput, Opcode};
use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

/// How often another free device is asked for when somebody else took the one we were given.
const TRIES: usize = 64;
/// devtmpfs makes the node a moment after the kernel named the number.
const NODE_IS_LATE: Duration = Duration::from_millis(2);

/// Attaches a file to a free loop device that detaches itself after its last user; gives the node and the open device.
pub(super) fn attach(image: &File, writable: bool) -> io::Result<(PathBuf, File)> {
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    let mut last = io::Error::from(Errno::BUSY);
    for _ in 0..TRIES {
        // SAFETY: LOOP_CTL_GET_FREE takes no argument and returns a number (linux/loop.h).
        let number = unsafe { ioctl::ioctl(&control, GetFree) }?;
        let node = PathBuf::from(format!("/dev/loop{number}"));
        match OpenOptions::new().read(true).write(writable).open(&node).and_then(|device| {
            configure(&device, image, writable)?;
            Ok(device)
        }) {
            Ok(device) => return Ok((node, device)),
            Err(error) => {
                let again = [Errno::BUSY, Errno::NOENT, Errno::NXIO].map(Errno::raw_os_error);
                if !error.raw_os_error().is_some_and(|e| again.contains(&e)) {
                    return Err(error);
                }
                last = error;
                std::thread::sleep(NODE_IS_LATE);
            }
        }
    }
    Err(last)
}

/// Detaches a file from its loop device; when somebody uses it, after the last one (LOOP_CLR_FD in `loop(4)`).
pub(super) fn detach(device: &str) -> io::Result<()> {
    let device = File::open(device)?;
    // SAFETY: LOOP_CLR_FD takes no argument (linux/loop.h).
    unsafe { ioctl::ioctl(&device, ioctl::NoArg::<{ abi::LOOP_CLR_FD as Opcode }>::new()) }?;
    Ok(())
}

fn configure(device: &File, image: &File, writable: bool) -> io::Result<()> {
    let read_only = if writable { 0 } else { abi::LO_FLAGS_READ_ONLY as u32 };
    // SAFETY: loop_config (linux/loop.h) is plain numbers, for which all zeroes are valid: offset 0, no size limit,
    // and block_size 0, the device's default; 4096 would not hold an ISO 9660.
    let mut config: abi::loop_config = unsafe { std::mem::zeroed() };
    config.fd = image.as_raw_fd().try_into().map_err(io::Error::other)?;
    config.info.lo_flags = read_only | abi::LO_FLAGS_AUTOCLEAR as u32;
    // SAFETY: LOOP_CONFIGURE reads one loop_config (linux/loop.h).
    unsafe {
        let set = ioctl::Setter::<{ abi::LOOP_CONFIGURE as Opcode }, abi::loop_config>::new(config);
        ioctl::ioctl(device, set)?;
    }
    Ok(())
}

/// The number comes as the return value, for which rustix has no ready pattern.
struct GetFree;

// SAFETY: the opcode is LOOP_CTL_GET_FREE, which neither reads nor writes memory of ours (linux/loop.h).
unsafe impl ioctl::Ioctl for GetFree {
    type Output = i32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        abi::LOOP_CTL_GET_FREE as Opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(out)
    }
}
