//! Can this program run as the first process, where no shared library and no loader is?
//!
//! Takes   the bytes of the program.
//! Gives   nothing, or [`NotStatic`] with what is in the way.
//!
//! A dynamic init in an initrd fails with "No such file or directory" for the program that is plainly there, as the kernel
//! means its loader. It happens silently when a RUSTFLAGS variable replaces the flags of .cargo/config.toml.

use std::io::Cursor;

use elf::ElfStream;
use elf::abi::{DT_NEEDED, ET_DYN, ET_EXEC, PT_INTERP};
use elf::endian::AnyEndian;

/// What is in the way of running a program as init.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStatic {
    /// Not an ELF file, or a damaged one.
    #[error("no readable ELF file ({0})")]
    NotElf(String),
    /// An object file, a core dump.
    #[error("an ELF file of type {0}, not an executable")]
    Type(u16),
    /// No address to start at: a shared library.
    #[error("an ELF file without an entry point (a shared library?)")]
    NoEntry,
    /// It asks for a loader.
    #[error("a dynamically linked one (PT_INTERP); build it with -C target-feature=+crt-static")]
    Interpreter,
    /// It asks for shared libraries.
    #[error("one that needs shared libraries (DT_NEEDED); build it with -C target-feature=+crt-static")]
    Needed,
}

/// Refuses anything but a static executable, position-independent or not.
pub fn check_static(program: &[u8]) -> Result<(), NotStatic> {
    let damaged = |error: elf::ParseError| NotStatic::NotElf(error.to_string());
    let mut file = ElfStream::<AnyEndian, _>::open_stream(Cursor::new(program)).map_err(damaged)?;
    if file.ehdr.e_type != ET_EXEC && file.ehdr.e_type != ET_DYN {
        return Err(NotStatic::Type(file.ehdr.e_type));
    }
    if file.segments().iter().any(|segment| segment.p_type == PT_INTERP) {
        return Err(NotStatic::Interpreter);
    }
    let needed = match file.dynamic().map_err(damaged)? {
        Some(table) => table.iter().any(|entry| entry.d_tag == DT_NEEDED),
        None => false,
    };
    if needed {
        return Err(NotStatic::Needed);
    }
    if file.ehdr.e_entry == 0 {
        return Err(NotStatic::NoEntry);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const PROGRAM_HEADER: u16 = 56; // size of Elf64_Phdr
    const DYNAMIC: u32 = 2; // PT_DYNAMIC
    const LOAD: u32 = 1; // PT_LOAD

    /// A 64-bit little-endian x86-64 ELF file of nothing but headers: its type, entry point, segments and dynamic tags.
    pub(crate) fn program(e_type: u16, entry: u64, segments: &[u32], tags: &[u64]) -> Vec<u8> {
        let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let tables = 64 + u64::from(PROGRAM_HEADER) * segments.len() as u64;
        out.extend(e_type.to_le_bytes());
        out.extend(62u16.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(entry.to_le_bytes());
        out.extend(64u64.to_le_bytes()); // program headers
        out.extend(0u64.to_le_bytes()); // no section headers
        out.extend(0u32.to_le_bytes());
        for half in [64, PROGRAM_HEADER, segments.len() as u16, 0, 0, 0] {
            out.extend(half.to_le_bytes());
        }
        let size = 16 * tags.len() as u64;
        for kind in segments {
            out.extend(kind.to_le_bytes());
            out.extend(4u32.to_le_bytes());
            for word in [tables, tables, tables, size, size, 8] {
                out.extend(word.to_le_bytes());
            }
        }
        for tag in tags {
            out.extend(tag.to_le_bytes());
            out.extend(1u64.to_le_bytes());
        }
        out
    }

    #[test]
    fn takes_static_executables() {
        assert_eq!(check_static(&program(ET_EXEC, 0x40_1000, &[LOAD], &[])), Ok(()));
        let static_pie = program(ET_DYN, 0x1000, &[LOAD, DYNAMIC], &[0x6fff_fffb, 0]);
        assert_eq!(check_static(&static_pie), Ok(()));
    }

    #[test]
    fn says_what_is_wrong_with_the_others() {
        let cases = [
            (program(ET_DYN, 0x1000, &[PT_INTERP, DYNAMIC], &[DT_NEEDED as u64, 0]), NotStatic::Interpreter),
            (program(ET_DYN, 0x1000, &[LOAD, DYNAMIC], &[5, DT_NEEDED as u64, 0]), NotStatic::Needed),
            (program(ET_DYN, 0, &[LOAD, DYNAMIC], &[0]), NotStatic::NoEntry),
            (program(1, 0x1000, &[], &[]), NotStatic::Type(1)),
        ];
        for (bytes, cause) in cases {
            assert_eq!(check_static(&bytes), Err(cause));
        }
        for bytes in [&b""[..], b"#!/bin/sh\nexec /sbin/init\n", b"\x7fELF"] {
            let error = check_static(bytes).unwrap_err();
            assert!(matches!(error, NotStatic::NotElf(_)), "{error:?}");
        }
        let whole = program(ET_DYN, 0x1000, &[LOAD, DYNAMIC], &[0]);
        for length in 0..64 + 2 * usize::from(PROGRAM_HEADER) {
            assert!(check_static(&whole[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn knows_a_dynamic_program_when_it_meets_a_real_one() {
        let shell = std::fs::read("/bin/sh").unwrap();
        assert_eq!(check_static(&shell), Err(NotStatic::Interpreter));
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(check_static(&own), Ok(()), "this test is itself built static, by .cargo/config.toml");
    }
}
