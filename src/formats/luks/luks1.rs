//! The header of LUKS1: one structure of big-endian numbers, eight slots (LUKS1 on-disk format 1.2.3, figure 1).

use super::{Digest, Kdf, LuksError, MOST_ITERATIONS, MOST_STRIPES, Payload, Slot, Volume, cipher, hash, uuid, within};
use crate::formats::fields::{be32, name, slice};

/// Bytes of the header.
pub(super) const LENGTH: usize = 592;
/// It counts in these.
pub(super) const SECTOR: u64 = 512;

const SLOTS: usize = 208;
const SLOT_LENGTH: usize = 48;
const ENABLED: u32 = 0x00ac_71f3;

pub(super) fn parse(head: &[u8]) -> Result<Volume, LuksError> {
    let text = |at, len| slice(head, at, len).and_then(name).unwrap_or_default();
    let number = |at| be32(head, at).map(u64::from);
    let bytes = |at, len| slice(head, at, len).unwrap_or_default().to_vec();
    let cipher = cipher(&[text(8, 32), "-".to_owned(), text(40, 32)].concat())?;
    let hash = hash(&text(72, 32))?;
    let key_size: usize = within(number(108), 16, 64, "the length of its key")?;
    if !cipher.takes_key_of(key_size) {
        return Err(LuksError::Broken("the length of its key"));
    }
    let iterations = within(number(164), 1, MOST_ITERATIONS, "its digest's iterations")?;
    let digest = Digest { hash, iterations, salt: bytes(132, 32), value: bytes(112, 20) };
    let mut slots = Vec::new();
    for at in (0..8).map(|slot| SLOTS + SLOT_LENGTH * slot) {
        if be32(head, at) != Some(ENABLED) {
            continue;
        }
        let iterations = within(number(at + 4), 1, MOST_ITERATIONS, "a slot's iterations")?;
        slots.push(Slot {
            kdf: Kdf::Pbkdf2 { hash, iterations },
            salt: bytes(at + 8, 32),
            offset: number(at + 40).unwrap_or_default() * SECTOR,
            cipher,
            area_key_size: key_size,
            stripes: within(number(at + 44), 1, MOST_STRIPES, "a slot's stripes")?,
            hash,
            key_size,
            digest: digest.clone(),
        });
    }
    let offset = number(104).unwrap_or_default() * SECTOR;
    let payload = Payload { offset, size: None, cipher, sector_size: SECTOR as u32, iv_offset: 0 };
    Ok(Volume { version: 1, uuid: uuid(Some(text(168, 40)))?, payload, slots })
}
