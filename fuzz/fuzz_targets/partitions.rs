//! Bytes as a partitioned disk.
#![no_main]

use isolde::formats::partitions::partitions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for sector in [512, 2048, 4096] {
        let found = partitions(&bytes, sector).expect("a read error without a medium");
        for partition in found {
            let end = partition.start.checked_add(partition.size).expect("end of a partition");
            assert!(partition.size > 0 && end <= bytes.len() as u64, "{partition:?}");
        }
    }
});
