//! Sizes of what is in memory: a share of it, or bytes.

use std::fmt;

/// How much memory something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Per cent of the memory, 1 to 100.
    Percent(u8),
    /// Bytes.
    Bytes(u64),
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Percent(share) => write!(f, "{share}%"),
            Size::Bytes(bytes) => write!(f, "{bytes}"),
        }
    }
}

impl Size {
    /// In bytes, on a machine with that much memory.
    #[must_use]
    pub fn of(self, memory: u64) -> u64 {
        match self {
            // Divided first: a product could be too large.
            Size::Percent(share) => memory / 100 * u64::from(share),
            Size::Bytes(bytes) => bytes,
        }
    }
}

/// 1 to 100 per cent, or bytes with an optional binary unit.
pub(crate) fn size(value: &str) -> Option<Size> {
    if let Some(share) = value.strip_suffix('%') {
        return share.parse().ok().filter(|n| (1..=100).contains(n)).map(Size::Percent);
    }
    let units = [('k', 10), ('m', 20), ('g', 30)];
    let unit =
        units.iter().find_map(|(unit, shift)| Some((value.strip_suffix([*unit, unit.to_ascii_uppercase()])?, *shift)));
    let (digits, shift) = unit.unwrap_or((value, 0));
    let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
    bytes.filter(|n| *n > 0).map(Size::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("50%"), Some(Size::Percent(50)));
        assert_eq!(size("2G"), Some(Size::Bytes(2 << 30)));
        assert_eq!(size("4096"), Some(Size::Bytes(4096)));
        for bad in ["", "%", "0%", "101%", "0", "-1", "1T", "99999999999G", "1.5G"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_share_is_one_of_the_memory() {
        assert_eq!(Size::Percent(25).of(1000), 250);
        assert_eq!(Size::Bytes(7).of(1000), 7);
        assert_eq!(Size::Percent(100).of(u64::MAX), u64::MAX / 100 * 100);
    }
}
