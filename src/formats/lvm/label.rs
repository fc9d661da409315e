//! The label that makes a medium an LVM2 physical volume (`struct label_header` in LVM's lib/label/label.h), and the
//! checksum that all of LVM's structures have.

use crate::formats::crc;
use crate::formats::fields::{has, le32, le64, slice};

/// Start value of LVM's checksums (INITIAL_CRC in its lib/misc/crc.h).
const START: u32 = 0xf597_a6cf;
/// Bytes of a sector, and of the label.
pub(crate) const SECTOR: usize = 512;
/// Where the checksummed part of the label begins.
const CHECKSUMMED: usize = 20;

/// LVM's checksum.
pub(crate) fn checksum(pieces: &[&[u8]]) -> u32 {
    pieces.iter().fold(START, |state, piece| crc::update(state, piece))
}

/// Whether a sector holds a sound label; `number` is the sector's own.
pub(crate) fn is_label(sector: &[u8], number: u64) -> bool {
    let sound = || Some(checksum(&[slice(sector, CHECKSUMMED, SECTOR - CHECKSUMMED)?]) == le32(sector, 16)?);
    let named = has(sector, 0, b"LABELONE") && has(sector, 24, b"LVM2 001");
    named && le64(sector, 8) == Some(number) && sound() == Some(true)
}

/// The identifier of a physical volume out of its label, as LVM prints it.
pub(crate) fn uuid(label: &[u8]) -> Option<String> {
    slice(label, 32, 32).map(dashed)
}

/// 32 characters in groups of 6, 4, 4, 4, 4, 4 and 6.
fn dashed(id: &[u8]) -> String {
    let mut text = String::with_capacity(38);
    for (index, &byte) in id.iter().enumerate() {
        if matches!(index, 6 | 10 | 14 | 18 | 22 | 26) {
            text.push('-');
        }
        text.push(char::from(byte));
    }
    text
}
