//! Trees of a few blocks. tests/trust_real.rs compares with veritysetup.

use super::*;
use proptest::prelude::*;

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn head(data_blocks: u64, hash_block: u32) -> SuperBlock {
    SuperBlock {
        uuid: [7; 16],
        algorithm: Algorithm::Sha256,
        data_block: 512,
        hash_block,
        data_blocks,
        salt: b"salt".to_vec(),
    }
}

fn build(head: SuperBlock, data: &[u8]) -> (Tree, Vec<u8>, Vec<u8>) {
    let mut hashes = Vec::new();
    data.chunks(512).for_each(|block| head.algorithm.hash(&head.salt, block, &mut hashes));
    let tree = Tree::new(head).unwrap();
    let (root, file) = tree.build(hashes).unwrap();
    (tree, root, file)
}

fn wanted<'a>(tree: &'a Tree, root: &'a [u8]) -> Wanted<'a> {
    Wanted { root, salt: &tree.head.salt, block: tree.head.data_block, size: tree.head.data_blocks * 512 }
}

/// Every data block, from the root downwards.
fn check_all(tree: &Tree, root: &[u8], file: &[u8], data: &[u8]) -> Result<(), VerityError> {
    (0..).zip(data.chunks(512)).try_for_each(|(number, block)| tree.check(&file, root, number, block))
}

#[test]
fn trees_of_every_height_lead_to_their_root() {
    // 16 hashes fit into a hash block of 512 bytes.
    for (blocks, levels) in [(1, 0), (2, 1), (16, 1), (17, 2), (256, 2), (257, 3)] {
        for algorithm in Algorithm::ALL {
            let data = data(blocks * 512);
            let (tree, root, file) = build(SuperBlock { algorithm, ..head(blocks as u64, 512) }, &data);
            assert_eq!(root.len(), algorithm.length());
            assert_eq!(file.len() as u64, tree.size);
            if algorithm == Algorithm::Sha256 {
                assert_eq!(tree.levels.len(), levels, "{blocks} blocks");
            }
            assert_eq!(Tree::open(&file.as_slice(), wanted(&tree, &root)).unwrap(), tree);
            check_all(&tree, &root, &file, &data).unwrap();
        }
    }
}

#[test]
fn the_super_block_is_read_as_it_is_written() {
    let head = SuperBlock { salt: vec![9; MOST_SALT], ..head(3, 4096) };
    let bytes = head.bytes().unwrap();
    assert_eq!(bytes.len(), SUPER_BLOCK);
    assert_eq!(SuperBlock::parse(&bytes).unwrap(), head);
    assert_eq!(head.uuid().as_deref(), Some("07070707-0707-0707-0707-070707070707"));
    let long = SuperBlock { salt: vec![0; MOST_SALT + 1], ..head };
    assert!(matches!(long.bytes(), Err(VerityError::Salt { seen: 257 })));
}

#[test]
fn what_is_no_super_block_is_refused_by_name() {
    let good = head(3, 4096).bytes().unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut all = good.clone();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        SuperBlock::parse(&all).unwrap_err().to_string()
    };
    assert_eq!(SuperBlock::parse(&good[..511]).unwrap_err().to_string(), "wanted a hash tree, seen too few bytes");
    assert_eq!(with(0, b"V"), "wanted a super block of dm-verity, seen none");
    assert_eq!(with(8, &[2]), "version: wanted 1, seen 2");
    assert_eq!(with(12, &[0]), "hash type: wanted 1, seen 0");
    assert_eq!(with(32, b"crc32c"), "wanted sha256 or sha512, and the one of the root hash, seen crc32c");
    assert_eq!(with(32, b"sha256x"), "wanted sha256 or sha512, and the one of the root hash, seen sha256x");
    assert_eq!(with(64, &[1]), "data block: wanted 512, 1024, 2048 or 4096 bytes, seen 513");
    assert_eq!(with(68, &[0, 0x20]), "hash block: wanted 512, 1024, 2048 or 4096 bytes, seen 8192");
    assert_eq!(with(80, &[1, 1]), "salt: wanted at most 256 bytes, seen 257");
}

#[test]
fn a_tree_of_another_image_is_refused_by_name() {
    let data = data(20 * 512);
    let (tree, root, file) = build(head(20, 512), &data);
    let all = wanted(&tree, &root);
    let open = |file: &[u8], wanted| Tree::open(&file, wanted).unwrap_err().to_string();
    assert_eq!(
        open(&file, Wanted { size: 21 * 512, ..all }),
        "wanted the tree of 10752 bytes in blocks of 512, seen one of 20 blocks"
    );
    assert!(open(&file, Wanted { size: 20 * 512 + 1, ..all }).starts_with("wanted the tree of 10241 bytes"));
    assert_eq!(open(&file, Wanted { block: 1024, ..all }), "bytes of a data block: wanted 1024, seen 512");
    assert_eq!(open(&file, Wanted { block: 0, ..all }), "bytes of a data block: wanted 0, seen 512");
    assert_eq!(open(&file, Wanted { salt: b"", ..all }), "its salt is not the one that is trusted");
    assert_eq!(
        open(&file, Wanted { root: &[0; 32], ..all }),
        "block 1 of the hash tree does not lead to the root hash"
    );
    assert!(open(&file, Wanted { root: &[0; 64], ..all }).starts_with("wanted sha256 or sha512"));
    let cut = file.len() - 1;
    assert_eq!(open(&file[..cut], all), format!("wanted {} bytes, seen {cut}: it was cut short", file.len()));
    let longer = [file.as_slice(), &[1; 700]].concat();
    assert!(Tree::open(&longer.as_slice(), all).is_ok());
}

#[test]
fn numbers_of_blocks_that_no_tree_has_are_refused() {
    for blocks in [0, u64::MAX, 1 << 54] {
        assert!(matches!(Tree::new(head(blocks, 512)), Err(VerityError::Blocks { .. })), "{blocks}");
    }
    // 8 EiB less a block: the layout alone costs nothing.
    assert!(Tree::new(head((1 << 54) - 1, 512)).is_ok());
    let tree = Tree::new(head(3, 512)).unwrap();
    assert!(matches!(tree.build(vec![0; 64]), Err(VerityError::Blocks { seen: 2 })));
}

#[test]
fn every_changed_byte_of_tree_and_image_is_caught() {
    let data = data(40 * 512);
    let (tree, root, file) = build(head(40, 512), &data);
    for at in (0..data.len()).step_by(97) {
        let mut changed = data.clone();
        changed[at] ^= 1;
        let error = check_all(&tree, &root, &file, &changed).unwrap_err();
        assert!(matches!(error, VerityError::DataBlock { block } if block == at as u64 / 512), "{error}");
    }
    for at in 512..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 0x80;
        let error = check_all(&tree, &root, &changed, &data).unwrap_err();
        assert!(matches!(error, VerityError::HashBlock { block } if block == at as u64 / 512), "{error}");
    }
    assert!(tree.check(&file.as_slice(), &root, 40, &data[..512]).is_err(), "there is no block 40");
    assert!(tree.check(&file.as_slice(), &root, 0, &data[..511]).is_err(), "half a block");
}

proptest! {
    #[test]
    fn any_super_block_is_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 504), blocks: u64) {
        let mut all = head(1, 512).bytes().unwrap();
        all[72..80].copy_from_slice(&blocks.to_le_bytes());
        if let Ok(parsed) = SuperBlock::parse(&all) {
            let _ = Tree::new(parsed);
        }
        all.splice(8.., bytes);
        if let Ok(parsed) = SuperBlock::parse(&all) {
            let _ = Tree::new(parsed);
        }
    }
}
