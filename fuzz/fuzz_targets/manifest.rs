//! Bytes as a manifest. What init reads, the crate toml reads alike, unless it refuses a comment.
#![no_main]

use isolde::formats::manifest::Manifest;
use isolde_host::trust::manifest::{read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let text = std::str::from_utf8(bytes).expect("checked");
        if let Ok(other) = read(text) {
            assert_eq!(manifest, other);
        }
        let text = write(&manifest).expect("what was read can be written");
        assert_eq!(Manifest::parse(text.as_bytes()).expect("what was written can be read"), manifest);
    }
});
