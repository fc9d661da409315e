//! What a kernel module says about itself.
//!
//! Takes   an unpacked module: an ELF file of 32 or 64 bits in either byte order.
//! Gives   the entries of its section `.modinfo` that matter for loading it. Needed where depmod's index files are missing.
//! Fails   when it is no ELF file, or has no such section within the file.

use super::fields::{be16, be32, be64, has, le16, le32, le64, slice, u8_at};
use super::{FormatError, softdep};

/// A module's own description. Names are spelt with `_`, as the kernel spells them; aliases are left as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModInfo {
    /// The module's name; `None` in modules of kernels before 4.13, where only the file's name tells.
    pub name: Option<String>,
    /// Patterns of the devices and names it serves.
    pub aliases: Vec<String>,
    /// Modules whose symbols it uses.
    pub depends: Vec<String>,
    /// Modules to load before it all the same.
    pub softdep_pre: Vec<String>,
}

impl ModInfo {
    /// Reads the section `.modinfo` of `module`.
    ///
    /// # Errors
    /// [`FormatError::Unexpected`] when there is no such section.
    pub fn parse(module: &[u8]) -> Result<Self, FormatError> {
        let elf = Elf::new(module)?;
        let section = elf.section(b".modinfo").ok_or_else(|| FormatError::Unexpected {
            expected: "an ELF file with a section .modinfo",
            seen: "none in the section table".into(),
            offset: elf.table,
        })?;
        let mut info = Self::default();
        for entry in section.split(|&byte| byte == 0) {
            let entry = String::from_utf8_lossy(entry);
            let Some((key, value)) = entry.split_once('=') else { continue };
            match key {
                "name" => info.name = Some(value.replace('-', "_")),
                "alias" => info.aliases.push(value.into()),
                "depends" => info
                    .depends
                    .extend(value.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_"))),
                "softdep" => info.softdep_pre.extend(softdep::pre(value.split_ascii_whitespace())),
                _ => {}
            }
        }
        Ok(info)
    }
}

/// The section table of an ELF file. Structure: elf(5).
struct Elf<'a> {
    bytes: &'a [u8],
    little: bool,
    wide: bool,
    /// Where the section table is.
    table: u64,
    entry_len: u64,
    entries: u64,
    /// Number of the section that holds the names.
    names: u64,
}

impl<'a> Elf<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let class = (u8_at(bytes, 4), u8_at(bytes, 5));
        let wide = class.0 == Some(2);
        if !has(bytes, 0, b"\x7fELF") || !matches!(class, (Some(1 | 2), Some(1 | 2))) {
            let seen = bytes.get(..6.min(bytes.len())).map(|start| start.escape_ascii().to_string());
            let seen = format!("\"{}\"", seen.unwrap_or_default());
            return Err(FormatError::Unexpected { expected: "an ELF header", seen, offset: 0 });
        }
        let mut elf = Self { bytes, little: class.1 == Some(1), wide, table: 0, entry_len: 0, entries: 0, names: 0 };
        let header = || {
            let (table, counts) = if wide { (0x28, 0x3a) } else { (0x20, 0x2e) };
            Some((elf.word(table)?, elf.half(counts)?, elf.half(counts + 2)?, elf.half(counts + 4)?))
        };
        let Some((table, entry_len, entries, names)) = header() else {
            let seen = format!("the end after {} bytes", bytes.len());
            return Err(FormatError::Unexpected { expected: "a complete ELF header", seen, offset: 0 });
        };
        (elf.table, elf.entry_len, elf.entries, elf.names) = (table, entry_len.into(), entries.into(), names.into());
        Ok(elf)
    }

    fn half(&self, at: usize) -> Option<u16> {
        if self.little { le16(self.bytes, at) } else { be16(self.bytes, at) }
    }

    fn int(&self, at: usize) -> Option<u32> {
        if self.little { le32(self.bytes, at) } else { be32(self.bytes, at) }
    }

    /// An address or offset, as wide as the file's class says.
    fn word(&self, at: usize) -> Option<u64> {
        match (self.wide, self.little) {
            (false, _) => self.int(at).map(u64::from),
            (true, true) => le64(self.bytes, at),
            (true, false) => be64(self.bytes, at),
        }
    }

    /// Name (an offset into the names) and bytes of a section.
    fn entry(&self, number: u64) -> Option<(usize, &'a [u8])> {
        let at = usize::try_from(self.table.checked_add(number.checked_mul(self.entry_len)?)?).ok()?;
        let (offset, size) = if self.wide { (0x18, 0x20) } else { (0x10, 0x14) };
        let from = usize::try_from(self.word(at.checked_add(offset)?)?).ok()?;
        let len = usize::try_from(self.word(at.checked_add(size)?)?).ok()?;
        Some((self.int(at)? as usize, slice(self.bytes, from, len)?))
    }

    fn section(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        let (_, names) = self.entry(self.names)?;
        // A section without bytes in the file (.bss) may claim a place outside; it is not the one that is looked for.
        (0..self.entries).filter_map(|number| self.entry(number)).find_map(|(name, bytes)| {
            let rest = names.get(name..)?;
            (rest.strip_prefix(wanted)?.first() == Some(&0)).then_some(bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An ELF file of three sections: none, `.modinfo`, names.
    fn module(wide: bool, little: bool, info: &[u8]) -> Vec<u8> {
        let names = b"\0.modinfo\0.shstrtab\0";
        let header = if wide { 64 } else { 52 };
        let mut out = b"\x7fELF".to_vec();
        out.extend([if wide { 2 } else { 1 }, if little { 1 } else { 2 }]);
        out.resize(header, 0);
        out.extend(info);
        out.extend(names);
        let table = out.len();
        let put = |out: &mut Vec<u8>, at: usize, len: usize, value: usize| {
            let bytes = value.to_le_bytes();
            for (index, &byte) in bytes[..len].iter().enumerate() {
                out[at + if little { index } else { len - 1 - index }] = byte;
            }
        };
        let (word, entry) = if wide { (8, 64) } else { (4, 40) };
        let counts = if wide { 0x3a } else { 0x2e };
        put(&mut out, if wide { 0x28 } else { 0x20 }, word, table);
        put(&mut out, counts, 2, entry);
        put(&mut out, counts + 2, 2, 3);
        put(&mut out, counts + 4, 2, 2);
        out.resize(table + 3 * entry, 0);
        let sections = [(1, 1, header, info.len()), (2, 10, header + info.len(), names.len())];
        for (number, name, offset, len) in sections {
            let at = table + number * entry;
            put(&mut out, at, 4, name);
            put(&mut out, at + if wide { 0x18 } else { 0x10 }, word, offset);
            put(&mut out, at + if wide { 0x20 } else { 0x14 }, word, len);
        }
        out
    }

    const INFO: &[u8] = b"license=GPL\0alias=usb:v*p*\0alias=fs-x\0depends=scsi_mod,usb-storage\0\0\
        softdep=pre: a-b c post: d\0intree=Y\0name=uas\0vermagic=6.1 SMP \0";

    #[test]
    fn all_classes() {
        for (wide, little) in [(true, true), (true, false), (false, true), (false, false)] {
            let info = ModInfo::parse(&module(wide, little, INFO)).unwrap();
            assert_eq!(info.name.as_deref(), Some("uas"));
            assert_eq!(info.aliases, ["usb:v*p*", "fs-x"]);
            assert_eq!(info.depends, ["scsi_mod", "usb_storage"]);
            assert_eq!(info.softdep_pre, ["a_b", "c"]);
        }
        assert_eq!(ModInfo::parse(&module(true, true, b"depends=\0")).unwrap(), ModInfo::default());
    }

    #[test]
    fn refusals() {
        let table: [(&[u8], &str); 3] = [
            (b"", "expected an ELF header at byte 0, saw \"\""),
            (b"hello world", "expected an ELF header at byte 0, saw \"hello \""),
            (b"\x7fELF\x02\x01", "expected a complete ELF header at byte 0, saw the end after 6 bytes"),
        ];
        for (bytes, wanted) in table {
            assert_eq!(ModInfo::parse(bytes).unwrap_err().to_string(), wanted);
        }
        let whole = module(true, true, INFO);
        // The last section holds the names, without which none can be found; its entry ends with what does not matter here.
        for len in 0..whole.len() - 24 {
            assert!(ModInfo::parse(&whole[..len]).is_err(), "{len}");
        }
    }

    proptest! {
        #[test]
        fn total(bytes in any::<Vec<u8>>()) {
            let _ = ModInfo::parse(&bytes);
        }

        #[test]
        fn total_when_damaged(at in 0..400_usize, byte in any::<u8>(), wide in any::<bool>(), little in any::<bool>()) {
            let mut bytes = module(wide, little, INFO);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = ModInfo::parse(&bytes);
        }
    }
}
