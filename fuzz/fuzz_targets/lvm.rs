//! Bytes as an LVM physical volume, and as the text in one.
#![no_main]

use isolde::formats::lvm::PhysicalVolume;
use isolde::sys::record::containers::physical_volume;
use libfuzzer_sys::fuzz_target;

const ID: &str = "mUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9";

fuzz_target!(|bytes: &[u8]| {
    let _ = PhysicalVolume::read(&bytes);
    // Text with sound structures and checksums around it.
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let whole = physical_volume(ID, 1 << 30, Some(&format!("{text}\0")));
    if let Ok(PhysicalVolume { group: Some(group), .. }) = PhysicalVolume::read(&whole.as_slice()) {
        let _ = group.volume("store");
        let _ = group.physical();
    }
});
