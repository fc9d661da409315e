//! Values out of the JSON of a LUKS2 header, where 64-bit numbers are strings and bytes are base64 (RFC 4648, section 4).

use super::LuksError;
use crate::formats::base64;
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
    base64::decode(text).filter(|bytes| bytes.len() <= most && !bytes.is_empty()).ok_or(LuksError::Broken("its base64"))
}
