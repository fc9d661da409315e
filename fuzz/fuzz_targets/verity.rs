//! Bytes as a hash tree: opened with what its own super block says, and every block looked up that there can be.
#![no_main]

use isolde::formats::verity::{SuperBlock, Tree, Wanted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(head) = SuperBlock::parse(bytes) else { return };
    assert_eq!(SuperBlock::parse(&head.bytes().expect("it was read")).expect("it was written"), head);
    let Ok(tree) = Tree::new(head) else { return };
    let root = vec![0; tree.head.algorithm.length()];
    let size = tree.head.data_blocks * u64::from(tree.head.data_block);
    let wanted = Wanted { root: &root, salt: &tree.head.salt, block: tree.head.data_block, size };
    assert!(Tree::open(&bytes, wanted).is_err() || tree.levels.is_empty());
    let data = vec![0; tree.head.data_block as usize];
    for number in [0, tree.head.data_blocks / 2, tree.head.data_blocks - 1, u64::MAX] {
        assert!(tree.check(&bytes, &root, number, &data).is_err());
    }
});
