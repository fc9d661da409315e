//! Bytes as an erofs: whether a container holds the root, and what that is.
#![no_main]

use isolde::formats::superblock::Format;
use isolde_host::iso::bytes::{Extent, Extents};
use isolde_host::iso::containers::look;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let size = bytes.len() as u64;
    let image = Extents::new(&bytes, vec![Extent { at: 0, from: 0, len: size }], size);
    let _ = look(&image, Format::Erofs, &["LiveOS/rootfs.img".to_owned(), "hello".to_owned()]);
});
