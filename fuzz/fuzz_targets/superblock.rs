//! Bytes as the start of a medium.
#![no_main]

use isolde::formats::superblock::{ntfs_state, probe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Memory cannot fail to be read.
    probe(&bytes).expect("a read error without a medium");
    ntfs_state(&bytes).expect("a read error without a medium");
});
