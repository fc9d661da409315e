//! Signatures made by minisign, read by `formats::minisig`. A missing tool is a failure: a comparison that silently does
//! not happen proves nothing.

// A test fails by panicking, and so do its helpers, which clippy.toml's exceptions for test functions do not cover.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use isolde::formats::minisig::{self, MinisigError, Signature};
use std::fs;
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

/// Runs a program in a directory.
fn output(dir: &Dir, program: &str, words: &str) -> Output {
    let mut command = Command::new(program);
    command.args(words.split_whitespace()).current_dir(&dir.0).env("LC_ALL", "C");
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
