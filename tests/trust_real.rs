//! Signatures made by minisign and hash trees made by veritysetup, read by `formats::minisig` and `formats::verity`, and
//! trees of `formats::verity` read by veritysetup. A missing tool is a failure: a comparison that silently does not happen
//! proves nothing.

// A test fails by panicking, and so do its helpers, which clippy.toml's exceptions for test functions do not cover.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use isolde::formats::minisig::{self, MinisigError, Signature};
use isolde::formats::verity::{Algorithm, Tree, VerityError, Wanted};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory of its own for each test, removed at its end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trust-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a program in a directory; an ordinary user's PATH lacks sbin, where veritysetup is.
fn output(dir: &Dir, program: &str, words: &str) -> Output {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let mut command = Command::new(program);
    command.args(words.split_whitespace()).current_dir(&dir.0).env("PATH", path).env("LC_ALL", "C");
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{program}: {error}; run setup.sh test"))
}

fn run(dir: &Dir, program: &str, words: &str) -> String {
    let output = output(dir, program, words);
    assert!(output.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn what_minisign_signs_is_accepted() {
    let dir = Dir::new("minisign");
    let message = data(100_000);
    fs::write(dir.path("m"), &message).unwrap();
    for name in ["a", "b"] {
        run(&dir, "minisign", &format!("-G -W -p {name}.pub -s {name}.key"));
    }
    let keys =
        minisig::keys(&[fs::read(dir.path("a.pub")).unwrap(), fs::read(dir.path("b.pub")).unwrap()].concat()).unwrap();
    for (key, name) in keys.iter().zip(["a", "b"]) {
        for form in ["", "-l"] {
            run(&dir, "minisign", &format!("-S {form} -s {name}.key -m m -t expires:4000000000"));
            let signature = Signature::parse(&fs::read(dir.path("m.minisig")).unwrap()).unwrap();
            let signed = signature.verify(&message, &keys).unwrap();
            assert_eq!((signed.key, signed.comment), (key.id, "expires:4000000000"));
            assert_eq!(signed.check_expiry(1_700_000_000), Ok(()));
            assert!(signature.verify(&message[1..], &keys).is_err());
            let other = keys.iter().filter(|other| other.id != key.id).cloned().collect::<Vec<_>>();
            assert!(matches!(signature.verify(&message, &other), Err(MinisigError::OtherKey { .. })));
            // The key's name is the one that minisign has for it.
            let text = fs::read_to_string(dir.path(&format!("{name}.pub"))).unwrap();
            assert_eq!(text.lines().next().unwrap(), format!("untrusted comment: minisign public key {}", key.id));
        }
    }
}

/// Data blocks, bytes of one, bytes of a hash block, options.
type Shape = (usize, u32, u32, &'static str);

const SHAPES: &[Shape] = &[
    (1, 4096, 4096, ""),
    (2, 4096, 4096, "--salt=-"),
    (128, 4096, 4096, ""),
    (129, 4096, 4096, "--salt=00ff"),
    (603, 2048, 4096, ""),
    (700, 512, 512, ""),
    (300, 1024, 1024, "--hash=sha512"),
    (5000, 2048, 512, "--hash=sha512 --salt=01"),
];

fn root_of(text: &str) -> Vec<u8> {
    let line = text.lines().find_map(|line| line.strip_prefix("Root hash:")).unwrap().trim();
    (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn trees_of_veritysetup_are_read_and_made_alike() {
    let dir = Dir::new("verity");
    for &(blocks, block, hash_block, options) in SHAPES {
        let bytes = data(blocks * block as usize);
        fs::write(dir.path("image"), &bytes).unwrap();
        let _ = fs::remove_file(dir.path("tree"));
        let sizes = format!("--data-block-size={block} --hash-block-size={hash_block}");
        let text = run(&dir, "veritysetup", &format!("format image tree {sizes} {options}"));
        let root = root_of(&text);
        let theirs = fs::read(dir.path("tree")).unwrap();
        let salt = &theirs[88..88 + usize::from(theirs[80])];
        let wanted = Wanted { root: &root, salt, block, size: bytes.len() as u64 };
        let file = File::open(dir.path("tree")).unwrap();
        let tree = Tree::open(&file, wanted).unwrap_or_else(|error| panic!("{blocks} {block} {options}: {error}"));
        for (number, block) in (0..).zip(bytes.chunks(block as usize)) {
            tree.check(&file, &root, number, block).unwrap();
        }
        assert_eq!(tree.head.algorithm == Algorithm::Sha512, options.contains("sha512"));

        let mut hashes = Vec::new();
        bytes.chunks(block as usize).for_each(|block| tree.head.algorithm.hash(salt, block, &mut hashes));
        let (our_root, ours) = tree.build(hashes).unwrap();
        assert_eq!(our_root, root);
        assert_eq!(ours, theirs[..ours.len()], "{blocks} {block} {options}");
        assert!(theirs[ours.len()..].iter().all(|&byte| byte == 0));

        let hex: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(dir.path("ours"), &ours).unwrap();
        run(&dir, "veritysetup", &format!("verify image ours {hex}"));
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 4;
        fs::write(dir.path("image"), &changed).unwrap();
        assert!(!output(&dir, "veritysetup", &format!("verify image ours {hex}")).status.success());
        let number = bytes.len() / 2 / block as usize;
        let at = number * block as usize;
        let error = tree.check(&file, &root, number as u64, &changed[at..at + block as usize]).unwrap_err();
        assert!(matches!(error, VerityError::DataBlock { block } if block == number as u64), "{error}");
    }
}
