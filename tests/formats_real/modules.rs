//! Kernel modules and depmod's tables, as kmod sees them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // as in formats_real.rs

use super::tools::{Dir, run, tool};
use isolde::formats::modinfo::ModInfo;
use isolde::formats::module_index::Index;
use isolde::formats::softdep;
use std::fs;
use std::path::PathBuf;

/// Name, entries of `.modinfo`, exported symbols, used symbols.
type Module = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Builds an object file that is a module as far as depmod and modinfo are concerned.
fn module(dir: &Dir, name: &str, info: &[&str], exports: &[&str], uses: &[&str]) -> PathBuf {
    let mut source = String::new();
    for (index, entry) in info.iter().chain([&format!("name={}", name.replace('-', "_")).as_str()]).enumerate() {
        source +=
            &format!("__attribute__((section(\".modinfo\"), used)) static const char i{index}[] = \"{entry}\";\n");
    }
    for symbol in exports {
        source += &format!(
            "int {symbol}(void) {{ return 0; }}\n\
             __attribute__((section(\"__ksymtab_strings\"), used)) static const char k_{symbol}[] = \"{symbol}\";\n\
             __attribute__((used)) const void *__ksymtab_{symbol} = {symbol};\n"
        );
    }
    for symbol in uses {
        source += &format!("extern int {symbol}(void); int call_{symbol}(void) {{ return {symbol}(); }}\n");
    }
    let c = dir.file(&format!("src/{name}.c"), source);
    let ko = dir.0.join(format!("lib/modules/1.0/kernel/{name}.ko"));
    fs::create_dir_all(ko.parent().unwrap()).unwrap();
    run(tool("cc").args(["-c", "-O0", "-fno-pic", "-ffreestanding", "-o"]).arg(&ko).arg(c));
    ko
}

fn lines(output: Vec<u8>) -> Vec<String> {
    String::from_utf8(output).unwrap().lines().map(str::to_string).collect()
}

#[test]
fn modules_as_kmod_sees_them() {
    let dir = Dir::new("modules");
    let tree: [Module; 5] = [
        ("usbcore", &["alias=usb-core", "license=GPL"], &["usb_register"], &[]),
        (
            "usb-storage",
            &["alias=usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*", "alias=usb:v0421p0019d059[2-9]dc*", "depends=usbcore"],
            &["usb_stor_probe"],
            &["usb_register"],
        ),
        (
            "uas",
            &[
                "alias=usb:v*p*d*dc*dsc*dp*ic08isc06ip62in*",
                "alias=usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*",
                "depends=usb-storage,usbcore",
                "softdep=pre: crc-32c  ext4 post: later",
            ],
            &[],
            &["usb_stor_probe", "usb_register"],
        ),
        ("ext4", &["alias=fs-ext4", "alias=fs-ext[23]", "alias=ext-3?"], &[], &[]),
        (
            "pci-thing",
            &["alias=pci:v00008086d0000[!5]*sv*sd*bc01sc06i01*", "alias=pci:v*d*sv*sd*bc01sc06i01*"],
            &[],
            &[],
        ),
    ];
    let mut files = Vec::new();
    for (name, info, exports, uses) in tree {
        files.push(module(&dir, name, info, exports, uses));
    }
    let base = dir.0.join("lib/modules/1.0");
    dir.file("lib/modules/1.0/modules.order", tree.map(|module| format!("kernel/{}.ko\n", module.0)).concat());
    dir.file("lib/modules/1.0/modules.builtin", "kernel/built/virtio-pci.ko\n");
    run(tool("depmod").arg("-b").arg(&dir.0).arg("1.0"));

    let index = |name: &str| Index::parse(fs::read(base.join(name)).unwrap()).unwrap();
    let aliases = index("modules.alias.bin");
    let keys = [
        "usb:v0781p5567d0100dc00dsc00dp00ic08isc06ip50in00",
        "usb:v0781p5567d0100dc00dsc00dp00ic08isc06ip62in00",
        "usb:v0421p0019d0592dc00dsc00dp00ic08isc06ip50in00",
        "usb:v0421p0019d0591dc00dsc00dp00",
        "pci:v00008086d00005123sv00001AF4sd00001100bc01sc06i01",
        "pci:v00008086d00006123sv00001AF4sd00001100bc01sc06i01",
        "fs-ext4",
        "fs-ext3",
        "fs_ext2",
        "ext-3x",
        "usb-core",
        "no-such",
    ];
    let mut hits = 0;
    for key in keys {
        let output = tool("modprobe").args(["-S", "1.0", "-q", "-R", key, "-d"]).arg(&dir.0).output().unwrap();
        let (mut wanted, mut found) = (lines(output.stdout), aliases.lookup(key));
        hits += wanted.len();
        wanted.sort();
        wanted.dedup();
        found.sort();
        assert_eq!(found, wanted, "{key}");
    }
    assert!(hits > 12, "modprobe found only {hits}");

    let dependencies = index("modules.dep.bin");
    assert_eq!(dependencies.exact("uas").unwrap(), "kernel/uas.ko: kernel/usb-storage.ko kernel/usbcore.ko");
    let text = fs::read_to_string(base.join("modules.dep")).unwrap();
    for (line, (name, ..)) in text.lines().zip(tree) {
        let line_of = text.lines().find(|line| line.starts_with(&format!("kernel/{name}.ko:"))).unwrap();
        assert_eq!(dependencies.exact(name).as_deref(), Some(line_of.trim_end()), "{line}");
    }
    assert!(index("modules.builtin.bin").exact("virtio-pci").is_some());
    assert_eq!(index("modules.builtin.bin").exact("ext4"), None);

    let soft = softdep::parse(&fs::read_to_string(base.join("modules.softdep")).unwrap());
    assert_eq!(soft["uas"], ["crc_32c", "ext4"]);

    for file in files {
        let bytes = fs::read(&file).unwrap();
        let info = ModInfo::parse(&bytes).unwrap();
        let field = |name| lines(run(tool("modinfo").args(["-F", name]).arg(&file)));
        assert_eq!(info.aliases, field("alias"));
        assert_eq!(info.depends.join(","), field("depends").join(",").replace('-', "_"));
        assert_eq!(info.name.map(|name| vec![name]), Some(field("name")));
        for len in 0..bytes.len() {
            let _ = ModInfo::parse(&bytes[..len]);
        }
    }
    for name in ["modules.alias.bin", "modules.dep.bin"] {
        let bytes = fs::read(base.join(name)).unwrap();
        for len in 12..bytes.len() {
            let cut = Index::parse(bytes[..len].to_vec()).unwrap();
            for key in keys {
                let _ = (cut.lookup(key), cut.exact(key));
            }
        }
    }
}
