//! A read-only loop device over an open file.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

use anyhow::{Context, Result};
use linux_raw_sys::loop_device::{
    LO_FLAGS_AUTOCLEAR, LO_FLAGS_READ_ONLY, LOOP_CONFIGURE, LOOP_CTL_GET_FREE, loop_config,
};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, Setter, ioctl};

/// `LOOP_CTL_GET_FREE`; the number of the device is the return value itself.
struct GetFree;

// SAFETY: LOOP_CTL_GET_FREE (linux/loop.h) takes no argument, so the pointer is never followed, and gives a plain number.
#[allow(unsafe_code)] // an ioctl whose result is its return value has no safe form in rustix
unsafe impl Ioctl for GetFree {
    type Output = i32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE as Opcode
    }

    fn as_ptr(&mut self) -> *mut core::ffi::c_void {
        null_mut()
    }

    unsafe fn output_from_ptr(number: IoctlOutput, _: *mut core::ffi::c_void) -> rustix::io::Result<i32> {
        Ok(number)
    }
}

/// Attaches the file to a free loop device; gives the device, open, and its path. Detaches by itself with its last user.
pub fn attach(image: &File) -> Result<(File, String)> {
    let control = File::open("/dev/loop-control").context("open /dev/loop-control")?;
    // SAFETY: GetFree describes LOOP_CTL_GET_FREE, and the file is the loop driver's control device.
    #[allow(unsafe_code)] // rustix leaves it to the caller that file and request belong together
    let number = unsafe { ioctl(&control, GetFree) }.context("find a free loop device")?;
    let path = format!("/dev/loop{number}");
    let device = OpenOptions::new().read(true).open(&path).with_context(|| format!("open {path}"))?;
    // SAFETY: `loop_config` (linux/loop.h) is integers and arrays of integers, for which zero is a valid value.
    #[allow(unsafe_code)] // bindgen's structures have no Default here
    let mut config: loop_config = unsafe { std::mem::zeroed() };
    config.fd = u32::try_from(image.as_raw_fd()).map_err(io::Error::other)?;
    config.info.lo_flags = LO_FLAGS_READ_ONLY as u32 | LO_FLAGS_AUTOCLEAR as u32;
    // SAFETY: LOOP_CONFIGURE (linux/loop.h) reads a `struct loop_config`, which is what Setter passes, and `device` is a
    // loop device.
    #[allow(unsafe_code)] // rustix leaves it to the caller that file, request and structure belong together
    unsafe { ioctl(&device, Setter::<{ LOOP_CONFIGURE as Opcode }, loop_config>::new(config)) }
        .with_context(|| format!("configure {path}"))?;
    Ok((device, path))
}
