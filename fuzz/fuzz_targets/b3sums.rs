//! Bytes as a list of checksums.
#![no_main]

use isolde::formats::b3sums::{find, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entries) = parse(bytes) {
        for entry in &entries {
            // An entry is found by its own name, unless another one contradicts it.
            if let Ok(found) = find(&entries, entry.name.rsplit('/').next().unwrap_or_default()) {
                assert!(found.is_some(), "{entry:?}");
            }
        }
    }
});
