//! CRC-32 with the reflected polynomial of IEEE 802.3, as GPT headers and LVM labels carry it.
//!
//! flate2 has one as well, but not with the start value that LVM uses.

/// 256 entries, made at compile time.
static TABLE: [u32; 256] = table();

#[allow(clippy::indexing_slicing)] // evaluated by the compiler: an index out of range would not build
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// Goes on from `state` over `bytes`, without the inversions that a particular use puts around it.
pub(super) fn update(state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |state, &byte| {
        let index = (state ^ u32::from(byte)) & 0xff;
        TABLE.get(index as usize).copied().unwrap_or_default() ^ state >> 8
    })
}

/// The usual form: starts with all ones, ends inverted.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !update(!0, bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn check_value() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(super::crc32(b""), 0);
    }
}
