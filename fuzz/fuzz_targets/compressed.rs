//! Bytes as a packed kernel module.
#![no_main]

use isolde::formats::compressed::decompress;
use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(plain) = decompress(bytes, LIMIT) {
        assert!(plain.len() as u64 <= LIMIT || plain.as_ref() == bytes);
    }
});
