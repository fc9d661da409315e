//! Bytes as an image: what `isolde inspect` says of it, and every name of its tree.
#![no_main]

use isolde::families::tree::Tree;
use isolde::formats::read_full;
use isolde_host::inspect::look;
use isolde_host::iso::bytes::Limited;
use isolde_host::iso::optical::Optical;
use isolde_host::iso::walk::{Kind, Nodes};
use libfuzzer_sys::fuzz_target;

/// Names that are looked at: directories may hold one another.
const MOST: usize = 300;
/// Bytes that are read of one image: hundreds of times as many as it has.
const READ: u64 = 64 << 20;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = look(&Limited::new(bytes, READ), "x.iso", "/x.iso") {
        // An answer that can be printed, without a letter that would steer the terminal.
        let text = report.to_string();
        assert!(!text.is_empty() && !text.contains(|c: char| c.is_control() && c != '\n'));
        if let Some(grub) = &report.grub {
            assert_eq!(grub.lines().count(), 5, "{grub}");
        }
    }
    let limited = Limited::new(bytes, READ);
    for tree in [Optical::iso(&limited), Optical::udf(&limited)].into_iter().flatten() {
        walk(&tree);
    }
});

fn walk(tree: &Optical) {
    let mut folders = vec![(tree.root(), String::new())];
    let mut count = 0;
    while let Some((folder, path)) = folders.pop() {
        let Ok(children) = tree.children(folder) else { continue };
        for (name, id, kind) in children {
            count += 1;
            if count > MOST {
                return;
            }
            let path = format!("{path}/{name}");
            match kind {
                Kind::Directory => folders.push((id, path)),
                Kind::Link => drop(tree.link(&id)),
                _ => {
                    let _ = tree.kind(&path);
                    if let Ok(Some(file)) = tree.file(&path) {
                        let _ = read_full(&file, &mut [0; 4096], 0);
                    }
                }
            }
        }
    }
}
