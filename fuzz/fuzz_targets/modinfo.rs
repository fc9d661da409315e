//! Bytes as an unpacked kernel module.
#![no_main]

use isolde::formats::modinfo::ModInfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ModInfo::parse(bytes);
});
