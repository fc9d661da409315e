//! Bytes as one of depmod's index files, asked for names and for a modalias.
#![no_main]

use isolde::formats::module_index::Index;
use libfuzzer_sys::fuzz_target;

const KEYS: [&str; 4] = ["ext4", "fs-ext4", "usb:v0781p5567d0100dc00dsc00dp00ic08isc06ip50in00", ""];

fuzz_target!(|bytes: &[u8]| {
    if let Ok(index) = Index::parse(bytes.to_vec()) {
        for key in KEYS {
            let all = index.lookup(key);
            assert!(all.iter().map(String::len).sum::<usize>() <= bytes.len() * 3);
            let _ = index.exact(key);
        }
    }
});
