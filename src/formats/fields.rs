//! Integers and names out of on-disk structures.
//!
//! Takes   the bytes of a structure and offsets into it.
//! Gives   `None` for whatever lies outside; names as blkid prints them.

/// `N` bytes at `at`.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// `len` bytes at `at`.
pub(super) fn slice(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

/// One byte.
pub(super) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// Little-endian integers.
pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub(super) fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Big-endian integers.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

pub(super) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}

/// Is `magic` at `at`?
pub(super) fn has(bytes: &[u8], at: usize, magic: &[u8]) -> bool {
    slice(bytes, at, magic.len()) == Some(magic)
}

/// A name in bytes: up to the first NUL, without white space at its end; `None` when nothing remains. Bytes that are not
/// UTF-8 (a FAT label in a DOS code page) become U+FFFD.
pub(super) fn name(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|&b| b == 0).next().unwrap_or_default();
    // \x0b: isspace(3) counts the vertical tab, is_ascii_whitespace does not.
    let end = bytes.iter().rposition(|b| !b.is_ascii_whitespace() && *b != 0x0b)?;
    bytes.get(..=end).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The same for UTF-16, little endian.
pub(super) fn name_utf16le(bytes: &[u8]) -> Option<String> {
    name_utf16(bytes.chunks_exact(2).filter_map(|pair| le16(pair, 0)))
}

/// The same for UTF-16, big endian.
pub(super) fn name_utf16be(bytes: &[u8]) -> Option<String> {
    name_utf16(bytes.chunks_exact(2).filter_map(|pair| be16(pair, 0)))
}

fn name_utf16(units: impl Iterator<Item = u16>) -> Option<String> {
    let text: String = char::decode_utf16(units.take_while(|&unit| unit != 0))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    name(text.as_bytes())
}

/// A UUID of 16 bytes in the order they are stored; `None` when all are zero, which means "not set".
pub(super) fn uuid(bytes: &[u8], at: usize) -> Option<String> {
    let bytes: [u8; 16] = array(bytes, at)?;
    if bytes == [0; 16] {
        return None;
    }
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        push_hex(&mut text, byte);
    }
    Some(text)
}

/// A GUID as GPT stores it: the first three groups little endian.
pub(super) fn guid(bytes: &[u8], at: usize) -> Option<String> {
    let mut b: [u8; 16] = array(bytes, at)?;
    for group in [0..4, 4..6, 6..8] {
        b.get_mut(group)?.reverse();
    }
    uuid(&b, 0)
}

/// A volume serial number of 32 bits as the FAT family prints it; `None` when zero.
pub(super) fn serial32(value: u32) -> Option<String> {
    (value != 0).then(|| format!("{:04X}-{:04X}", value >> 16, value & 0xffff))
}

/// Two lower-case hexadecimal digits.
pub(super) fn push_hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        text.extend(char::from_digit(digit.into(), 16));
    }
}

/// Bytes out of lower-case hexadecimal digits.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks();
    let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let table: [(&[u8], Option<&str>); 6] = [
            (b"STICK      ", Some("STICK")),
            (b"a b\0junk", Some("a b")),
            (b"   ", None),
            (b"", None),
            (b" x\t\x0b\n", Some(" x")),
            (b"M\x9aLL", Some("M\u{fffd}LL")),
        ];
        for (bytes, wanted) in table {
            assert_eq!(name(bytes).as_deref(), wanted, "{bytes:?}");
        }
        assert_eq!(name_utf16le(b"\xfc\0 \0\0\0x\0").as_deref(), Some("ü"));
        assert_eq!(name_utf16be(b"\xd8\x3d\xde\x80").as_deref(), Some("🚀"));
        assert_eq!(name_utf16be(b"\xd8\x3d").as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn identifiers() {
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(uuid(&bytes, 0).as_deref(), Some("00010203-0405-0607-0809-0a0b0c0d0e0f"));
        assert_eq!(guid(&bytes, 0).as_deref(), Some("03020100-0504-0706-0809-0a0b0c0d0e0f"));
        assert_eq!(uuid(&[0; 16], 0), None);
        assert_eq!(uuid(&bytes, 1), None);
        assert_eq!(uuid(&bytes, usize::MAX), None);
        assert_eq!(hex("00ff1a").as_deref(), Some([0, 255, 26].as_slice()));
        assert_eq!(hex(""), Some(Vec::new()));
        assert!(["0", "0G", "0F", " 0", "é"].iter().all(|text| hex(text).is_none()));
        assert_eq!(serial32(0xdead_0001).as_deref(), Some("DEAD-0001"));
    }
}
