//! Single bits that are the other way round, at random places: 20 of them in all, 10 under each policy.
//!
//! Here are those that no boot survives: of the manifest, its signature, and of an image that has no hash tree. The others,
//! of extension, script, tree, and of an image that has one, are found while or after the system boots: see `boots.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests; clippy.toml does not see this file as one")]

use super::door::Shown;
use super::sealed::{Files, ISO, TREE};
use isolde::formats::manifest::{PLACE, SIGNATURE};

/// Numbers without a pattern, the same in each run: a failure can be looked at again (Knuth's MMIX).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// Four stores, each with one bit changed.
pub fn refused(good: &Files, seed: u64) -> Vec<Shown> {
    let mut random = Random(seed);
    // Without the tree, all of the image is read and compared.
    let bare = good.clone().without(TREE);
    // The first line of a signature is a comment that means nothing.
    let untrusted = good.get(SIGNATURE).iter().position(|&byte| byte == b'\n').unwrap();
    let check = r"verify: check /boot/iso/small\.iso: .* wanted BLAKE3 [0-9a-f]+, got ";
    let read = "verify: read the store's manifest: /boot/isolde/manifest.toml";
    // An image whose header is the one that was hit is no image.
    let image = format!("({check}|image: open the image )");
    [(PLACE, good, 0, read), (SIGNATURE, good, untrusted, read), (ISO, &bare, 0, &image), (ISO, &bare, 0, &image)]
        .into_iter()
        .map(|(path, files, from, says)| {
            let bit = from * 8 + random.below((files.get(path).len() - from) * 8);
            Shown::new(&format!("{path}, bit {bit}"), files.clone().flipped(path, bit).store(), says)
        })
        .collect()
}
