//! Bytes as a distributor's list of checksums.
#![no_main]

use isolde_host::trust::digest::Algorithm;
use isolde_host::trust::sums::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for expected in [None, Some(Algorithm::Blake3)] {
        let list = parse(bytes, expected);
        for entry in &list.entries {
            assert_eq!(entry.digest.len(), entry.algorithm.length());
            // An entry is found by its own name, and so is only what has that name.
            let name = entry.name.rsplit('/').next().unwrap_or_default();
            let found = list.of(name, false);
            assert!(!found.is_empty(), "{entry:?}");
            assert!(found.iter().all(|found| found.name.rsplit('/').next() == Some(name)));
        }
    }
});
