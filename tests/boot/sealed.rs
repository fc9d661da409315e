//! Stores with a manifest, its signature and a hash tree, made of the library's own formats. What the real tools make is
//! compared in the host's tests.

use super::worlds::*;
use ed25519_compact::{KeyPair, Seed};
use isolde::formats::base64;
use isolde::formats::verity::{Algorithm, SuperBlock, Tree as HashTree};
use isolde::sys::record::{Content, Medium, Tree, World};
use std::collections::BTreeMap;

pub const ISO: &str = "iso/debian.iso";
pub const TREE: &str = "iso/debian.iso.verity";
pub const EXTENSION: &str = "boot/extensions/b43.ExtensionImage";
pub const SCRIPT: &str = "boot/customize/init";
pub const MANIFEST: &str = "boot/isolde/manifest.toml";
pub const SIGNATURE: &str = "boot/isolde/manifest.toml.minisig";
/// Bytes of a block.
pub const BLOCK: u32 = 2048;

/// The files of a sealed store, by path.
pub type Files = BTreeMap<String, Content>;

/// A key, by a number that is also its id.
pub struct Key(u8, KeyPair);

impl Key {
    pub fn new(number: u8) -> Key {
        Key(number, KeyPair::from_seed(Seed::new([number; 32])))
    }

    /// The file of its public half.
    pub fn public(&self) -> String {
        let bytes = [b"Ed".as_slice(), &[self.0; 8], &*self.1.pk].concat();
        format!("untrusted comment: minisign public key\n{}\n", base64::encode(&bytes))
    }

    /// A `.minisig` of some bytes, as `minisign -l` makes it.
    pub fn sign(&self, message: &[u8], comment: &str) -> String {
        let signature = self.1.sk.sign(message, None);
        let global = self.1.sk.sign([signature.as_slice(), comment.as_bytes()].concat(), None);
        let first = base64::encode(&[b"Ed".as_slice(), &[self.0; 8], signature.as_slice()].concat());
        let second = base64::encode(global.as_slice());
        format!("untrusted comment: x\n{first}\ntrusted comment: {comment}\n{second}\n")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Small, as every block of it is hashed often.
pub fn iso() -> Content {
    Content::image(&Medium { size: 128 << 10, ..debian() })
}

/// The root hash, and the file of the hash tree.
pub fn hash_tree(content: &Content) -> (Vec<u8>, Vec<u8>) {
    hash_tree_of(content, BLOCK)
}

/// The same for blocks of that many bytes.
pub fn hash_tree_of(content: &Content, block: u32) -> (Vec<u8>, Vec<u8>) {
    let data = content.to_vec();
    let head = SuperBlock {
        uuid: [7; 16],
        algorithm: Algorithm::Sha256,
        data_block: block,
        hash_block: 4096,
        data_blocks: data.len() as u64 / u64::from(block),
        salt: SALT.to_vec(),
    };
    let mut hashes = Vec::new();
    data.chunks(block as usize).for_each(|block| head.algorithm.hash(&head.salt, block, &mut hashes));
    HashTree::new(head).unwrap().build(hashes).unwrap()
}

const SALT: &[u8] = b"salt";

/// A manifest of these files. Those with a hash tree beside them are to be read with it.
pub fn manifest(files: &Files, serial: u64, more: &str) -> String {
    let mut text = format!("version = 1\nserial = {serial}\n{more}");
    for (path, content) in files.iter().filter(|(path, _)| !path.ends_with(".verity")) {
        let bytes = content.to_vec();
        let digest = blake3::hash(&bytes).to_hex();
        text += &format!("\n[[file]]\npath = \"{path}\"\nsize = {}\nblake3 = \"{digest}\"\n", bytes.len());
        if files.contains_key(&format!("{path}.verity")) {
            let root = hex(&hash_tree(content).0);
            let salt = hex(SALT);
            text += &format!("verity-root = \"{root}\"\nverity-salt = \"{salt}\"\nverity-block = {BLOCK}\n");
        }
    }
    text
}

/// An image with its hash tree, an extension and a script, without a manifest.
pub fn unsealed() -> Files {
    let script = Content::from("#!/bin/sh\n");
    let tree = Content::new(hash_tree(&iso()).1);
    let all = [(ISO, iso()), (TREE, tree), (EXTENSION, extension()), (SCRIPT, script)];
    all.map(|(path, content)| (path.to_owned(), content)).into()
}

/// The same with a manifest, signed with this key.
pub fn sealed(key: &Key) -> Files {
    resealed(unsealed(), key, 7, "")
}

/// With a new manifest.
pub fn resealed(mut files: Files, key: &Key, serial: u64, more: &str) -> Files {
    files.retain(|path, _| path != MANIFEST && path != SIGNATURE);
    let text = manifest(&files, serial, more);
    files.insert(SIGNATURE.into(), Content::from(key.sign(text.as_bytes(), "timestamp:1").as_str()));
    files.insert(MANIFEST.into(), Content::from(text.as_str()));
    files
}

/// A machine whose initrd has this key and these words, and whose stick has these files.
pub fn world(key: Option<&Key>, words: &str, line: &str, files: &Files) -> World {
    let tree = files.iter().fold(Tree::new().directory("home/user"), |tree, (path, content)| {
        tree.file_with(path, content.clone(), path == SCRIPT)
    });
    let mut world = with(machine(&format!("isolde.image=/{ISO} {line}")), [partition("sdb1", &ext4(tree))]);
    if let Some(key) = key {
        world.initramfs = world.initramfs.file("isolde/keys/owner.pub", key.public().as_str());
    }
    if !words.is_empty() {
        world.initramfs = world.initramfs.file("isolde/cmdline", format!("{words}\n").as_str());
    }
    world
}
