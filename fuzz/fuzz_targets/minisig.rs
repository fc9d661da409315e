//! Bytes as keys, and as a signature, which is by none of them.
#![no_main]

use isolde::formats::minisig::{Signature, keys};
use libfuzzer_sys::fuzz_target;

const KEY: &[u8] = b"RWSbACeYz4iTmCZc2R7Ht6lBK/H853Jb5iInb2Oqff8mNYVYhLBA7suH";

fuzz_target!(|bytes: &[u8]| {
    let mut all = keys(KEY).expect("a key");
    all.extend(keys(bytes).unwrap_or_default());
    if let Ok(signature) = Signature::parse(bytes) {
        if let Ok(signed) = signature.verify(b"nobody signed this", &all) {
            panic!("{signed:?}");
        }
    }
});
