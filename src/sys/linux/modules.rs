//! Kernel modules: `finit_module(2)`, and `init_module(2)` for what the kernel cannot unpack.
#![allow(unsafe_code)] // fork(2)

use crate::formats::ReadAt;
use crate::formats::compressed::decompress;
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};

/// A module unpacks to at most this; Debian's largest is 30 MB.
const LARGEST: u64 = 128 << 20;
/// MODULE_INIT_COMPRESSED_FILE of linux/module.h.
const COMPRESSED_FILE: i32 = 4;

/// Loads a module. A kernel without MODULE_DECOMPRESS says EOPNOTSUPP to a packed one, one before 5.17 EINVAL, one built
/// for another format ENOEXEC or EINVAL. A module that is there already is no error; one that another process is just
/// loading is waited for by the kernel (kernel/module/main.c, add_unformed_module).
pub(super) fn load(module: &File, parameters: &CStr) -> io::Result<()> {
    let mut magic = [0; 4];
    ReadAt::read_at(module, &mut magic, 0)?;
    let flags = if magic == *b"\x7fELF" { 0 } else { COMPRESSED_FILE };
    let done = match rustix::system::finit_module(module, parameters, flags) {
        Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOEXEC) if flags != 0 => {
            let mut packed = Vec::new();
            Read::read_to_end(&mut &*module, &mut packed)?;
            let unpacked = decompress(&packed, LARGEST).map_err(io::Error::other)?;
            rustix::system::init_module(&unpacked, parameters)
        }
        done => done,
    };
    match done {
        Err(Errno::EXIST) => Ok(()),
        done => done.map_err(io::Error::from),
    }
}

/// Loads modules in a child, which the real init reaps when this process has become it. A process and not a thread:
/// nothing of ours has to be shared, locked or joined, and exec(2) does not wait for it.
pub(super) fn load_ahead(modules: &[File]) -> io::Result<()> {
    // SAFETY: this process has one thread here, so the child may go on as a copy of it; it ends by _exit(2), without
    // running anything of the parent's.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            for module in modules {
                // What fails here fails again, and is reported, when it is needed.
                let _ = load(module, c"");
            }
            // SAFETY: _exit(2) only ends this process.
            unsafe { libc::_exit(0) }
        }
        _ => Ok(()),
    }
}
