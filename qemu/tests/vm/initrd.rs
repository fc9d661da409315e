//! A kernel takes the archive: each form and compression, behind a stock initrd and alone, in a virtual machine.
//!
//! The kernel and the stock initrd are those of the Debian live fixture, the latter without most of its drivers. The init is
//! initrd/sentinel.rs; what it prints, it found in the unpacked initramfs.

#![allow(clippy::unwrap_used)] // clippy knows test functions as tests, but not what they call

use crate::common::folder;
use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use isolde_mkinitrd::{Compression, Destination, Form, Source, build, plan};
use isolde_qemu::families::{Base, Parts};
use isolde_qemu::machine::Machine;

/// A kernel with such an initrd reaches its init in 4 s on an idle machine without hardware virtualisation.
const LIMIT: Duration = Duration::from_secs(120);

/// MiB.
const MEMORY: u32 = 320;

/// What a stock initrd of Debian keeps: its init is a script, and its /bin and /lib are links.
const STOCK: &str = "init=script bin=usr/bin lib=usr/lib";
/// The same with the script replaced.
const REPLACED: &str = "init=program bin=usr/bin lib=usr/lib";
/// Nothing but our own archive.
const ALONE: &str = "init=program bin=none lib=none";

struct Bench {
    /// Unpacked, the kernel and the stock initrd.
    base: Parts,
    /// The stock initrd, packed as its makers pack it.
    stock: Vec<u8>,
    init: Source,
}

/// What all tests share.
fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    BENCH.get_or_init(Bench::new)
}

impl Bench {
    fn new() -> Self {
        let program = folder().join("sentinel");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/initrd/sentinel.rs");
        let mut rustc = Command::new("rustc");
        rustc.args([
            "--edition=2024",
            "-Copt-level=s",
            "-Cpanic=abort",
            "-Cstrip=symbols",
            "-Ctarget-feature=+crt-static",
            "-Crelocation-model=static",
        ]);
        assert!(rustc.arg("-o").arg(&program).arg(source).status().unwrap().success());
        let base = Base::InitramfsTools.parts().unwrap();
        let stock = Command::new("zstd").args(["-q", "-c"]).arg(&base.initrd).output().unwrap().stdout;
        Self { base, stock, init: Source::open(&program).unwrap() }
    }

    /// The archive, with a key added.
    fn archive(&self, form: Form, compression: Compression) -> Vec<u8> {
        let key = Source::from_bytes("a key", b"trusted".to_vec(), false).unwrap();
        let add = vec![(Destination::parse("/etc/isolde/key").unwrap(), key)];
        build(&plan(form, self.init.clone(), add).unwrap(), compression, 0).unwrap()
    }

    /// Boots with these bytes as the only initrd, and gives the line of the sentinel.
    fn boot(&self, name: &str, initrd: &[u8], words: &str) -> String {
        let file = folder().join(format!("{name}.img"));
        fs::write(&file, initrd).unwrap();
        let machine = Machine::direct(name, &folder(), &self.base.kernel, &[&file], &format!("quiet {words}"));
        // One processor each: two machines run at a time.
        let mut vm = machine.processors(1).memory(MEMORY).start().unwrap();
        vm.wait_for(r"sentinel name=.* key=.*\.", LIMIT).unwrap().text
    }

    /// The stock initrd with `excess` bytes more than a multiple of 4.
    fn stock(&self, excess: usize) -> Vec<u8> {
        let mut bytes = self.stock.clone();
        bytes.resize(bytes.len().next_multiple_of(4) + excess, 0);
        bytes
    }
}

fn assert_line(line: &str, name: &str, found: &str) {
    let wanted = format!("sentinel name={name} {found} key=trusted.");
    assert!(line.contains(&wanted), "wanted {wanted:?}, seen {line:?}");
}

#[test]
fn each_form_leaves_the_links_of_the_stock_initrd() {
    let bench = bench();
    let replaced = [bench.stock(0), bench.archive(Form::Init, Compression::Zstd)].concat();
    assert_line(&bench.boot("form-init", &replaced, ""), "/init", REPLACED);
    let beside = [bench.stock(0), bench.archive(Form::Rdinit, Compression::Zstd)].concat();
    assert_line(&bench.boot("form-rdinit", &beside, "rdinit=/isolde/init"), "/isolde/init", STOCK);
}

/// What the manual says about the place in memory: compressed at any offset, uncompressed at a multiple of 4.
#[test]
fn only_an_uncompressed_archive_has_to_be_aligned() {
    let bench = bench();
    let odd = [bench.stock(1), bench.archive(Form::Init, Compression::Zstd)].concat();
    assert_line(&bench.boot("offset-odd", &odd, ""), "/init", REPLACED);
    let aligned = [bench.stock(0), bench.archive(Form::Init, Compression::None)].concat();
    assert_line(&bench.boot("offset-aligned", &aligned, ""), "/init", REPLACED);
}

#[test]
fn each_compression_boots_without_a_stock_initrd() {
    let bench = bench();
    for compression in [Compression::Zstd, Compression::Xz, Compression::Gzip, Compression::None] {
        let archive = bench.archive(Form::Init, compression);
        assert_line(&bench.boot("alone", &archive, ""), "/init", ALONE);
    }
}

/// An archive can follow ours without padding.
#[test]
fn the_end_is_aligned_for_the_next_archive() {
    let bench = bench();
    for compression in [Compression::Zstd, Compression::Gzip] {
        // The later archive replaces the form of the earlier one: only when it is read is there a program /init.
        let both = [bench.archive(Form::Rdinit, compression), bench.archive(Form::Init, Compression::None)].concat();
        assert_line(&bench.boot("next", &both, "rdinit=/isolde/init"), "/isolde/init", ALONE);
    }
}
