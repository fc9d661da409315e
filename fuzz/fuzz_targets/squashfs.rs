//! Bytes as a squashfs: its superblock, its lists, its tree, and the start of every file.
#![no_main]

use backhand::InnerNode;
use isolde::formats::superblock::Format;
use isolde_host::iso::bytes::{Extent, Extents};
use isolde_host::iso::containers::look;
use isolde_host::iso::squashfs::open;
use libfuzzer_sys::fuzz_target;
use std::io::Read;

fuzz_target!(|bytes: &[u8]| {
    let size = bytes.len() as u64;
    let image = Extents::new(&bytes, vec![Extent { at: 0, from: 0, len: size }], size);
    let _ = look(&image, Format::Squashfs, &["LiveOS/rootfs.img".to_owned(), "a/b/c".to_owned()]);
    let Ok(system) = open(image, 1000) else { return };
    for node in system.files().take(200) {
        if let InnerNode::File(file) = &node.inner {
            let _ = system.file(file).reader().take(4096).read_to_end(&mut Vec::new());
        }
    }
});
