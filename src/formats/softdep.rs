//! Soft dependencies: modules that have to be loaded before another one, though it does not use their symbols.
//!
//! Takes   the text of `modules.softdep`, which depmod makes from the modules' own `softdep=` (modprobe.d(5), "softdep").
//! Gives   module → modules to load before it. `post:` is left out: nothing at boot needs it.
//! Fails   never; other lines are no soft dependencies.

use std::collections::BTreeMap;

/// Reads `softdep NAME pre: A B post: C` lines. Names are spelt with `_` throughout, as the kernel spells them.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("softdep") {
            continue;
        }
        let Some(name) = words.next() else { continue };
        let before = pre(words);
        if !before.is_empty() {
            found.entry(name.replace('-', "_")).or_default().extend(before);
        }
    }
    found
}

/// The words after `pre:`, up to `post:`.
pub(super) fn pre<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut before = false;
    let mut found = Vec::new();
    for word in words {
        match word {
            "pre:" => before = true,
            "post:" => before = false,
            name if before => found.push(name.replace('-', "_")),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        let text = "# Soft dependencies extracted from modules themselves.\n\
                    softdep virtio-pci post: virtio_net pre: virtio_ring virtio-pci-legacy-dev\n\
                    softdep btrfs pre: xxhash64\n\
                    softdep btrfs pre: crc32c blake2b-256 sha256\n\
                    softdep empty pre:\nsoftdep\nsoftdep only_post post: x\noptions x y\n";
        let found = parse(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found["virtio_pci"], ["virtio_ring", "virtio_pci_legacy_dev"]);
        assert_eq!(found["btrfs"], ["xxhash64", "crc32c", "blake2b_256", "sha256"]);
    }

    proptest! {
        #[test]
        fn total(text in any::<String>()) {
            for before in parse(&text).values() {
                prop_assert!(!before.is_empty());
            }
        }
    }
}
