//! Values out of the JSON of a LUKS2 header, where 64-bit numbers are strings and bytes are base64 (RFC 4648, section 4).

use super::LuksError;
use serde_json::Value;

/// What is at a path of keys.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// Text; empty when it is none.
pub(super) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// A number, also in digits.
pub(super) fn number(value: &Value, path: &[&str]) -> Option<u64> {
    let value = at(value, path);
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Whether a list has this text.
pub(super) fn lists(value: &Value, key: &str, wanted: &str) -> bool {
    at(value, &[key]).as_array().is_some_and(|all| all.iter().any(|one| one.as_str() == Some(wanted)))
}

/// Bytes in base64, at most so many.
pub(super) fn bytes(value: &Value, path: &[&str], most: usize) -> Result<Vec<u8>, LuksError> {
    let text = text(value, path);
    base64(text).filter(|bytes| bytes.len() <= most && !bytes.is_empty()).ok_or(LuksError::Broken("its base64"))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 3);
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
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_length() {
        for (text, wanted) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmE=", "fooba")] {
            assert_eq!(base64(text).as_deref(), Some(wanted.as_bytes()));
        }
        assert_eq!(base64("Zm 9v"), None);
    }
}
