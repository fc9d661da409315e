//! Mapped devices: the calls of the device mapper (linux/dm-ioctl.h; kernel: drivers/md/dm-ioctl.c).
//!
//! Each call takes one buffer, and leaves the kernel's answer in it: the header `struct dm_ioctl`, and behind it for
//! DM_TABLE_LOAD a `struct dm_target_spec` with its text for each part of the table.
#![allow(unsafe_code)] // ioctls have no safe form

use crate::op::{MAP_SECTOR as SECTOR, Mapping, Part, Target, Verity};
use rustix::io::Errno;
use rustix::ioctl::{self, IoctlOutput, Opcode};
use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of `struct dm_ioctl`.
const HEADER: usize = 312;
/// Where its fields are.
const SIZE: usize = 12;
const START: usize = 16;
const COUNT: usize = 20;
const FLAGS: usize = 28;
const DEVICE: usize = 40;
const NAME: usize = 48;
const UUID: usize = 176;
/// The fields' lengths with the NUL at the end (DM_NAME_LEN, DM_UUID_LEN).
const NAME_LENGTH: usize = 128;
const UUID_LENGTH: usize = 129;
/// Bytes of `struct dm_target_spec`, and the alignment of the next one.
const SPEC: usize = 40;
const ALIGNMENT: usize = 8;

/// DM_READONLY_FLAG.
const READ_ONLY: u32 = 1;
/// DM_DEFERRED_REMOVE.
const DEFERRED: u32 = 1 << 17;
/// DM_SECURE_DATA_FLAG: the kernel wipes its copy of the buffer.
const SECURE: u32 = 1 << 15;

/// Commands: the numbers of `enum` in dm-ioctl.h.
const CREATE: u8 = 3;
const REMOVE: u8 = 4;
const RESUME: u8 = 6; // DM_DEV_SUSPEND without DM_SUSPEND_FLAG
const LOAD: u8 = 9;

/// KiB that are read ahead of what is asked for of a device whose blocks are compared with hashes: what is read is hashed, and
/// of the kernel's 128 a third was for nobody. Below this device the medium is read ahead as ever.
const AHEAD: &str = "32";
/// How much of a hash tree is read at once: bytes of as many blocks of the image as blocks of the tree are read (kernel:
/// drivers/md/dm-verity-target.c, `verity_prefetch_io`). The kernel's own value is half a MiB of an ISO's tree, wherever one
/// of its blocks is wanted; that was 3.1 MB up to the shell of a small live system, and is 1.2 MB now.
const TREE_AHEAD: &str = "/sys/module/dm_verity/parameters/prefetch_cluster";
const KERNELS_TREE_AHEAD: &str = "262144";
const LESS_TREE_AHEAD: &str = "16384";

/// Makes a device and gives it its table; gives its node.
pub(super) fn create(mapping: &Mapping) -> io::Result<PathBuf> {
    let control = control()?;
    let mut call = header(&mapping.name, 0)?;
    text(&mut call, UUID, UUID_LENGTH, &mapping.uuid)?;
    let answer = run(&control, CREATE, call)?;
    load(&control, mapping).inspect_err(|_| {
        // Without a table it is of no use. The first failure is the one to be told.
        _ = remove(&mapping.name);
    })?;
    let number = answer.get(DEVICE..).and_then(|bytes| bytes.first_chunk().copied()).map_or(0, u32::from_ne_bytes);
    // The lower half of `dev`, as huge_encode_dev (linux/kdev_t.h) writes it: the minor number around the major one.
    Ok(PathBuf::from(format!("/dev/dm-{}", number & 0xff | number >> 12 & 0xfff00)))
}

/// Makes a device of an image and its hash tree, by their nodes.
pub(super) fn verity(verity: &Verity, image: &Path, tree: &Path) -> io::Result<PathBuf> {
    let line = verity.parameters(&image.to_string_lossy(), &tree.to_string_lossy());
    let length = verity.data_blocks.checked_mul(verity.data_block.into()).ok_or(Errno::OVERFLOW)? / SECTOR;
    let part = Part { length, device: String::new(), offset: 0, target: Target::Verity(line) };
    // Whoever chose another value meant it.
    if std::fs::read_to_string(TREE_AHEAD).is_ok_and(|bytes| bytes.trim() == KERNELS_TREE_AHEAD) {
        _ = std::fs::write(TREE_AHEAD, LESS_TREE_AHEAD); // it works without, only slower
    }
    let node =
        create(&Mapping { name: verity.name.clone(), uuid: verity.uuid.clone(), writable: false, parts: vec![part] })?;
    if let Some(name) = node.file_name() {
        // It works without, only slower.
        _ = std::fs::write(Path::new("/sys/block").join(name).join("queue/read_ahead_kb"), AHEAD);
    }
    Ok(node)
}

/// Gives an existing device another table.
pub(super) fn reload(mapping: &Mapping) -> io::Result<()> {
    load(&control()?, mapping)
}

/// Removes a device that nobody uses.
pub(super) fn remove(name: &str) -> io::Result<()> {
    run(&control()?, REMOVE, header(name, 0)?).map(drop)
}

/// Removes a device when nobody uses it any more.
pub(super) fn remove_later(name: &str) -> io::Result<()> {
    run(&control()?, REMOVE, header(name, DEFERRED)?).map(drop)
}

/// The node that the module makes when it is loaded.
fn control() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/mapper/control")
}

fn load(control: &File, mapping: &Mapping) -> io::Result<()> {
    let flags = if mapping.writable { SECURE } else { SECURE | READ_ONLY };
    let mut call = header(&mapping.name, flags)?;
    let parts: Vec<Zeroizing<String>> = mapping.parts.iter().map(parameters).collect();
    // In one piece, so that no copy of a key stays behind where the buffer was before it grew.
    let lengths = parts.iter().map(|text| SPEC + (text.len() + 1).next_multiple_of(ALIGNMENT));
    call.reserve_exact(lengths.sum());
    let mut start = 0_u64;
    for (part, text) in mapping.parts.iter().zip(&parts) {
        let next = SPEC + (text.len() + 1).next_multiple_of(ALIGNMENT);
        let end = call.len() + next;
        call.extend(start.to_ne_bytes());
        call.extend(part.length.to_ne_bytes());
        call.extend(0_i32.to_ne_bytes());
        call.extend(u32::try_from(next).map_err(io::Error::other)?.to_ne_bytes());
        let mut name = [0; 16];
        name.iter_mut().zip(part.target.name().bytes()).for_each(|(to, from)| *to = from);
        call.extend(name);
        call.extend(text.as_bytes());
        call.resize(end, 0);
        start = start.checked_add(part.length).ok_or(Errno::OVERFLOW)?;
    }
    let (size, count) = (call.len().try_into(), parts.len().try_into());
    number(&mut call, SIZE, size.map_err(io::Error::other)?);
    number(&mut call, COUNT, count.map_err(io::Error::other)?);
    run(control, LOAD, call)?;
    run(control, RESUME, header(&mapping.name, 0)?).map(drop)
}

fn parameters(part: &Part) -> Zeroizing<String> {
    let mut key = Zeroizing::new(String::new());
    if let Target::Crypt { key: secret, .. } = &part.target {
        key.reserve_exact(2 * secret.bytes().len());
        for digit in secret.bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]) {
            key.extend(char::from_digit(digit.into(), 16));
        }
    }
    Zeroizing::new(part.parameters(&key))
}

/// A call with nothing behind its header.
fn header(name: &str, flags: u32) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut call = Zeroizing::new(vec![0; HEADER]);
    // The version of the interface: the oldest that has what is used here.
    for (at, value) in [(0, 4), (SIZE, HEADER as u32), (START, HEADER as u32), (FLAGS, flags)] {
        number(&mut call, at, value);
    }
    text(&mut call, NAME, NAME_LENGTH, name)?;
    Ok(call)
}

fn number(call: &mut [u8], at: usize, value: u32) {
    let field = call.iter_mut().skip(at);
    field.zip(value.to_ne_bytes()).for_each(|(to, from)| *to = from);
}

fn text(call: &mut [u8], at: usize, length: usize, text: &str) -> io::Result<()> {
    if text.len() >= length {
        return Err(Errno::NAMETOOLONG.into());
    }
    let field = call.iter_mut().skip(at);
    field.zip(text.bytes()).for_each(|(to, from)| *to = from);
    Ok(())
}

fn run(control: &File, command: u8, mut call: Zeroizing<Vec<u8>>) -> io::Result<Zeroizing<Vec<u8>>> {
    // SAFETY: the buffer begins with a whole struct dm_ioctl whose data_size is the buffer's length; the kernel reads and
    // writes no more than that (linux/dm-ioctl.h).
    unsafe { ioctl::ioctl(control, Call { command, buffer: &mut call }) }?;
    Ok(call)
}

/// A call whose buffer has a length of its own, for which rustix has no ready pattern.
struct Call<'a> {
    command: u8,
    buffer: &'a mut [u8],
}

// SAFETY: the opcodes are `_IOWR(0xfd, command, struct dm_ioctl)`, and the pointer is to a buffer that begins with that
// structure and is borrowed for as long as the call takes.
unsafe impl ioctl::Ioctl for Call<'_> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        ioctl::opcode::read_write::<[u8; HEADER]>(0xfd, self.command)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.buffer.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_kernels_header() {
        let opcode = |command| ioctl::opcode::read_write::<[u8; HEADER]>(0xfd, command);
        assert_eq!(opcode(CREATE), 0xc138_fd03);
        let call = header("name", READ_ONLY).unwrap();
        assert_eq!(
            (call.len(), &call[..4], &call[12..20]),
            (312, &[4, 0, 0, 0][..], &[0x38, 1, 0, 0, 0x38, 1, 0, 0][..])
        );
        assert_eq!((&call[28..32], &call[48..53]), (&[1, 0, 0, 0][..], &b"name\0"[..]));
        assert!(header(&"x".repeat(128), 0).is_err());
    }
}
