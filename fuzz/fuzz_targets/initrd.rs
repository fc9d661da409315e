//! Bytes as an initrd: archives of cpio, packed in every way, read a little and read whole.
#![no_main]

use isolde::families::tree::Tree;
use isolde_host::iso::bytes::{Extent, Extents};
use isolde_host::iso::initrd::{Effort, Initrd};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let size = bytes.len() as u64;
    for effort in [Effort::Start, Effort::All] {
        let file = Extents::new(&bytes, vec![Extent { at: 0, from: 0, len: size }], size);
        let initrd = Initrd::new(vec![file.clone(), file], effort);
        for path in ["conf/conf.d/default-layer.conf", "/conf/uuid.conf", "init", "usr/lib/x/y", ""] {
            let _ = initrd.kind(path);
            let _ = initrd.read(path, 4096);
        }
        let _ = initrd.list("conf");
        let _ = initrd.unknown();
    }
});
