//! Loads the kernel named by its argument, as kexec(8) does: `kexec_file_load(2)`. Compiled by inits.rs; the standard library
//! is all it needs.

use std::ffi::{c_char, c_long};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

const KEXEC_FILE_LOAD: c_long = 320;
const KEXEC_FILE_NO_INITRAMFS: c_long = 4;
const WORDS: &[u8] = b"console=ttyS0,115200 panic=1 no_timer_check started.by.kexec=1\0";

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let kernel = File::open(path)?;
    let words: *const c_char = WORDS.as_ptr().cast();
    // SAFETY: the kernel reads as many bytes of the words as it is told, which are there.
    let done = unsafe {
        syscall(
            KEXEC_FILE_LOAD,
            c_long::from(kernel.as_raw_fd()),
            c_long::from(-1),
            WORDS.len(),
            words,
            KEXEC_FILE_NO_INITRAMFS,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
