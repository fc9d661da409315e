//! UDF. Structure: ECMA-167 and OSTA UDF 2.60. Volume recognition from 32 KiB on, anchor in block 256, from there the
//! volume descriptors.

use super::{Format, Medium, Superblock};
use crate::formats::fields::{le16, le32, name, name_utf16be, push_hex, slice};

/// Block sizes (bytes) that occur, the usual one of images first.
const BLOCKS: [u64; 4] = [2048, 512, 4096, 1024];
/// Volume descriptors that are looked at; the sequence has 16 blocks.
const DESCRIPTORS: u64 = 64;

const TAG_PRIMARY: u16 = 1;
const TAG_ANCHOR: u16 = 2;
const TAG_LOGICAL: u16 = 6;
const TAG_TERMINATOR: u16 = 8;

pub(super) fn probe(medium: &Medium) -> Option<Superblock> {
    if !recognised(medium) {
        return None;
    }
    BLOCKS.into_iter().find_map(|block| descriptors(medium, block))
}

/// Is there an NSR descriptor among the volume structures? They are 2 KiB apart, or one block if that is larger.
fn recognised(medium: &Medium) -> bool {
    [2048, 4096].into_iter().any(|step| {
        let signs = (0..18).map_while(|index| medium.head(32 * 1024 + index * step + 1, 5));
        signs
            .take_while(|sign| {
                matches!(*sign, b"BEA01" | b"BOOT2" | b"CD001" | b"CDW02" | b"NSR02" | b"NSR03" | b"TEA01")
            })
            .any(|sign| sign.starts_with(b"NSR"))
    })
}

/// Follows the anchor, if there is one for this block size.
fn descriptors(medium: &Medium, block: u64) -> Option<Superblock> {
    let size = medium.size / block;
    let anchors = [Some(256), size.checked_sub(257), size.checked_sub(1), Some(512)];
    let anchor = anchors.into_iter().flatten().find_map(|number| {
        let sector = medium.read(number.checked_mul(block)?, 512)?;
        (le16(&sector, 0)? == TAG_ANCHOR && u64::from(le32(&sector, 12)?) == number).then_some(sector)
    })?;
    let count = (u64::from(le32(&anchor, 16)?) / block).min(DESCRIPTORS);
    let first = u64::from(le32(&anchor, 20)?);

    let mut found = Superblock::new(Format::Udf);
    let mut any = false;
    for number in first..first + count {
        let Some(descriptor) = medium.read(number * block, 512) else { break };
        match le16(&descriptor, 0)? {
            0 | TAG_TERMINATOR => break,
            _ if u64::from(le32(&descriptor, 12)?) != number => break,
            TAG_PRIMARY if found.uuid.is_none() => found.uuid = identifier(slice(&descriptor, 72, 128)?),
            TAG_LOGICAL if found.label.is_none() => {
                any = true;
                found.label = dstring(slice(&descriptor, 84, 128)?);
            }
            _ => {}
        }
    }
    any.then_some(found)
}

/// A "dstring": its encoding (8: Latin-1, 16: UTF-16 big endian), text, and in the last byte the length of both.
fn dstring(field: &[u8]) -> Option<String> {
    let (&len, field) = field.split_last()?;
    let (encoding, text) = field.split_first()?;
    let text = text.get(..usize::from(len).checked_sub(1)?.min(text.len()))?;
    match encoding {
        8 => name(text.iter().copied().map(char::from).collect::<String>().as_bytes()),
        16 => name_utf16be(text),
        _ => None,
    }
}

/// blkid's identifier: the first 16 characters of the volume set's name, which has to begin with a unique number. Where
/// those are not hexadecimal digits, their bytes are printed in hexadecimal.
fn identifier(field: &[u8]) -> Option<String> {
    let text = dstring(field)?;
    let bytes = text.as_bytes();
    let first = bytes.get(..8)?;
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, &byte| {
            push_hex(&mut text, byte);
            text
        })
    };
    let digits = bytes.iter().take(16).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_ascii_lowercase();
    match digits {
        16 => bytes.get(..16).map(lower),
        8..16 => {
            let mut rest = bytes.get(8..)?.to_vec();
            rest.resize(4, 0);
            Some(lower(first) + &hex(&rest))
        }
        _ => Some(hex(first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(encoding: u8, text: &[u8]) -> Vec<u8> {
        let mut field = vec![encoding];
        field.extend(text);
        field.resize(127, 0);
        field.push(text.len() as u8 + 1);
        field
    }

    #[test]
    fn identifiers() {
        let table: [(&[u8], Option<&str>); 5] = [
            (b"6B014D820000113D", Some("6b014d820000113d")),
            (b"6B014D82LinuxUDF", Some("6b014d824c696e75")),
            (b"linux udf volume", Some("6c696e7578207564")),
            (b"12345678", Some("1234567800000000")),
            (b"1234567", None),
        ];
        for (text, wanted) in table {
            assert_eq!(identifier(&field(8, text)).as_deref(), wanted, "{text:?}");
        }
        assert_eq!(dstring(&field(16, b"\0\xfc\x20\xac")).as_deref(), Some("ü€"));
        assert_eq!(dstring(&field(9, b"ab")), None);
        assert_eq!(dstring(&[]), None);
    }
}
