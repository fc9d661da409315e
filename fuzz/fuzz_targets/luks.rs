//! Bytes as the start of a LUKS volume. Checksums of LUKS2 are corrected first: whoever makes a hostile header can.
#![no_main]

use isolde::formats::luks::Volume;
use libfuzzer_sys::fuzz_target;

/// The length of the header and the checksum in it, of both copies.
const SIZE: usize = 0x4000;
const CHECKSUM: std::ops::Range<usize> = 448..512;

fuzz_target!(|bytes: &[u8]| {
    let _ = Volume::read(&bytes);
    let mut sealed = bytes.to_vec();
    for header in sealed.chunks_exact_mut(SIZE).take(2) {
        header[CHECKSUM].fill(0);
        header[72..104].fill(0);
        header[72..78].copy_from_slice(b"sha256");
        let sum = isolde::formats::luks::Hash::Sha256.checksum(header);
        header[CHECKSUM][..sum.len()].copy_from_slice(&sum);
    }
    let _ = Volume::read(&sealed.as_slice());
});
