//! Base64 (RFC 4648, section 4), as minisign's files and LUKS2's headers have it.
//!
//! Strict: padded, and no bit set that belongs to no byte. One value has one text, so nothing can be hidden in a second.

/// The bytes; `None` when the text is not the one that encodes them.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    let left_over = bits & ((1 << count) - 1);
    (left_over == 0 && count < 6).then_some(bytes)
}

/// The text of some bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let digit = |value: u32| match (value & 63) as u8 {
        value @ 0..26 => b'A' + value,
        value @ 26..52 => b'a' + value - 26,
        value @ 52..62 => b'0' + value - 52,
        62 => b'+',
        _ => b'/',
    };
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or_default()));
        let digits = (0..4).map(|at| if at <= three.len() { digit(bits >> (18 - 6 * at)) } else { b'=' });
        text.extend(digits.map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length() {
        for (text, wanted) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE=", "fooba")] {
            assert_eq!(decode(text).as_deref(), Some(wanted.as_bytes()));
            assert_eq!(encode(wanted.as_bytes()), text);
        }
    }

    #[test]
    fn every_digit() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = encode(&bytes);
        assert!(text.starts_with("AAECAwQFBgcICQoLDA0ODxAR") && text.ends_with("+fr7/P3+/w=="), "{text}");
        assert_eq!(decode(&text), Some(bytes));
    }

    #[test]
    fn one_value_has_one_text() {
        for text in
            ["Zm 9v", "Zg=", "Zg", "Zh==", "Zm9=", "Zm9v====", "=", "====", "Z===", "Zm9vZ", "Zm9v\n", "Zg==Zg=="]
        {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
