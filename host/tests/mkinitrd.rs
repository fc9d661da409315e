//! `isolde mkinitrd` on images that the tools of distributions made: layers of every kind, what is missing, and what is
//! hostile.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

mod images;

use clap::{Arg, CommandFactory, FromArgMatches, Parser};
use images::{Folder, keep, kernel, packed, run};
use isolde::formats::module_index::Index;
use isolde_host::mkinitrd::{Args, write};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MANUAL: &str = include_str!("../../docs/mkinitrd.md");
const RELEASE: &str = "6.1.0-99-test";
const DEPENDS: &str = "kernel/fs/exfat/exfat.ko.xz:\n\
                       kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz\n\
                       kernel/fs/jbd2/jbd2.ko.xz:\n\
                       kernel/fs/nls/nls_utf8.ko.xz:\n\
                       kernel/drivers/usb/storage/usb-storage.ko.xz:\n\
                       kernel/drivers/gpu/drm/i915.ko.xz:\n";
const ALIASES: &str = "alias fs-exfat exfat\nalias fs-ext3 ext4\nalias usb:v*p*ic08is06ip50in* usb_storage\n";

#[derive(Debug, Parser)]
#[command(name = "isolde mkinitrd", term_width = 100)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// The files of a root with modules in one of the places where they may be.
fn root(modules: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = [
        ("modules.dep", DEPENDS),
        ("modules.alias", ALIASES),
        ("modules.softdep", "softdep ext4 pre: nls_utf8\n"),
        ("modules.builtin", "kernel/fs/fuse/fuse.ko\n"),
    ]
    .map(|(name, text)| (format!("{modules}/{RELEASE}/{name}"), text.as_bytes().to_vec()))
    .into();
    for path in DEPENDS.lines().map(|line| line.split_once(':').unwrap().0) {
        files.push((format!("{modules}/{RELEASE}/{path}"), format!("module {path}").repeat(40).into_bytes()));
    }
    files
}

fn borrowed(files: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect()
}

/// An ext4 with these files.
fn ext4(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let folder = Folder::new();
    for (path, bytes) in files {
        folder.write(path, bytes);
    }
    let image = folder.beside("image");
    run(Command::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).arg(folder.tree()).arg(&image).arg("8M"));
    fs::read(image).unwrap()
}

/// live-boot's medium with these layers.
fn debian(layers: &[&[u8]]) -> (Folder, PathBuf) {
    let folder = Folder::new();
    folder
        .write("live/vmlinuz", kernel(RELEASE))
        .write("live/initrd.img", images::cpio(&[("conf", 0o040755, b""), ("conf/uuid.conf", 0o100644, b"an-id\n")]))
        .write("boot/grub/grub.cfg", "menuentry x {\nlinux /live/vmlinuz boot=live\ninitrd /live/initrd.img\n}\n");
    for (number, layer) in layers.iter().enumerate() {
        folder.write(&format!("live/{number}.squashfs"), layer);
    }
    let iso = folder.iso(true, false);
    (folder, iso)
}

/// Fedora's medium: a container with the root in it, or the root itself.
fn fedora(image: &[u8]) -> (Folder, PathBuf) {
    let folder = Folder::new();
    folder
        .write("images/pxeboot/vmlinuz", kernel(RELEASE))
        .write("images/pxeboot/initrd.img", images::cpio(&[("etc/x", 0o100644, b"")]))
        .write(
            "boot/grub/grub.cfg",
            "menuentry x {\nlinux /images/pxeboot/vmlinuz root=live:CDLABEL=TEST_LIVE rd.live.image\ninitrd /images/pxeboot/initrd.img\n}\n",
        )
        .write("LiveOS/squashfs.img", image);
    let iso = folder.iso(true, false);
    (folder, iso)
}

/// A static program: the smallest ELF file that isolde-mkinitrd takes for one.
fn init(folder: &Folder) -> PathBuf {
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(16, 0);
    program.extend([2_u16, 62].map(u16::to_le_bytes).concat());
    program.extend(1_u32.to_le_bytes());
    program.extend([0x40_0078_u64, 64, 0].map(u64::to_le_bytes).concat());
    program.extend(0_u32.to_le_bytes());
    program.extend([64_u16, 56, 1, 64, 0, 0].map(u16::to_le_bytes).concat());
    // One segment: PT_LOAD, readable and executable.
    program.extend([1_u32, 5].map(u32::to_le_bytes).concat());
    program.extend([0_u64, 0x40_0000, 0x40_0000, 120, 120, 4096].map(u64::to_le_bytes).concat());
    keep(folder, "isolde-init", &program)
}

/// What is written for these options; `None` when something cannot come along.
fn made(folder: &Folder, image: &Path, options: &[&str]) -> Option<BTreeMap<String, Vec<u8>>> {
    let output = folder.beside("out.img");
    let _ = fs::remove_file(&output);
    let mut words = vec!["isolde", "--compress", "none", "--output", output.to_str().unwrap()];
    words.extend(["--image", image.to_str().unwrap()]);
    words.extend(options);
    let init = init(folder);
    words.push(init.to_str().unwrap());
    let args = Cli::try_parse_from(words).unwrap().args;
    let whole = write(&args).unwrap();
    assert_eq!(whole, output.exists());
    whole.then(|| unpacked(&fs::read(output).unwrap()))
}

/// The regular files of a newc archive (cpio(5)).
fn unpacked(mut bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    loop {
        let field = |at: usize| {
            usize::from_str_radix(std::str::from_utf8(&bytes[6 + at * 8..14 + at * 8]).unwrap(), 16).unwrap()
        };
        let (mode, size, name) = (field(1), field(6), field(11));
        let path = String::from_utf8(bytes[110..110 + name - 1].to_vec()).unwrap();
        let data = (110 + name).next_multiple_of(4);
        if path == "TRAILER!!!" {
            return files;
        }
        if mode & 0o170000 == 0o100000 {
            files.insert(path, bytes[data..data + size].to_vec());
        }
        bytes = &bytes[(data + size).next_multiple_of(4)..];
    }
}

fn bridged(files: &BTreeMap<String, Vec<u8>>) -> Vec<&str> {
    let folder = format!("isolde/modules/{RELEASE}/");
    files.keys().filter_map(|path| path.strip_prefix(&folder)?.strip_suffix(".ko.xz")).collect()
}

#[test]
fn modules_are_found_in_layers_of_every_kind() {
    let modules = root("usr/lib/modules");
    let inner = ext4(&modules);
    let squashfs = |compression: &str| packed("mksquashfs", &["-comp", compression], &borrowed(&modules));
    let nested = |name: &str, tool: &str| packed(tool, &[], &[(name, &inner)]);
    let media = [
        debian(&[&squashfs("xz")]),
        debian(&[&squashfs("zstd")]),
        fedora(&packed("mkfs.erofs", &["-zlz4hc"], &borrowed(&modules))),
        fedora(&nested("LiveOS/rootfs.img", "mksquashfs")),
        fedora(&nested("LiveOS/ext3fs.img", "mkfs.erofs")),
        fedora(&packed("mkfs.erofs", &[], &borrowed(&root("lib/modules")))),
    ];
    for (number, (folder, image)) in media.iter().enumerate() {
        let files = made(folder, image, &["--for", "exfat,ext3,fuse"]).unwrap();
        let wanted = ["kernel/fs/exfat/exfat", "kernel/fs/ext4/ext4", "kernel/fs/jbd2/jbd2", "kernel/fs/nls/nls_utf8"];
        assert_eq!(bridged(&files), wanted, "medium {number}");
        let path = format!("isolde/modules/{RELEASE}/kernel/fs/exfat/exfat.ko.xz");
        assert_eq!(files[&path], "module kernel/fs/exfat/exfat.ko.xz".repeat(40).as_bytes());
        let depends = Index::parse(files[&format!("isolde/modules/{RELEASE}/modules.dep.bin")].clone()).unwrap();
        assert_eq!(depends.exact("ext4").unwrap(), "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz");
        let aliases = Index::parse(files[&format!("isolde/modules/{RELEASE}/modules.alias.bin")].clone()).unwrap();
        assert_eq!(aliases.lookup("fs-ext3"), ["ext4"]);
    }
}

#[test]
fn a_file_system_without_a_medium_has_its_only_kernel() {
    let folder = Folder::new();
    let image = keep(&folder, "root.squashfs", &packed("mksquashfs", &[], &borrowed(&root("usr/lib/modules"))));
    assert_eq!(bridged(&made(&folder, &image, &["--for", "jbd2"]).unwrap()), ["kernel/fs/jbd2/jbd2"]);
}

/// Casper's way: the links and the modules are in different layers, and an upper layer hides a lower one.
#[test]
fn layers_are_one_tree() {
    let lower = Folder::new();
    lower.link("lib", "usr/lib").write("usr/lib/os-release", "x");
    let image = lower.beside("lower");
    run(Command::new("mksquashfs").arg(lower.tree()).arg(&image).args(["-quiet", "-no-progress"]));
    let middle = packed("mksquashfs", &[], &borrowed(&root("usr/lib/modules")));
    let path = format!("usr/lib/modules/{RELEASE}/kernel/fs/exfat/exfat.ko.xz");
    let upper = packed("mksquashfs", &[], &[(&path, b"a newer one")]);
    let (folder, iso) = debian(&[&fs::read(image).unwrap(), &middle, &upper]);
    let files = made(&folder, &iso, &["--for", "exfat"]).unwrap();
    assert_eq!(files[&format!("isolde/modules/{RELEASE}/kernel/fs/exfat/exfat.ko.xz")], b"a newer one");
}

#[test]
fn what_is_asked_for_and_not_there_writes_nothing() {
    let (folder, iso) = debian(&[&packed("mksquashfs", &[], &borrowed(&root("usr/lib/modules")))]);
    assert!(made(&folder, &iso, &["--for", "exfat,ntfs3"]).is_none());
    // Nothing comes along for what is built in, and that is no failure.
    assert_eq!(bridged(&made(&folder, &iso, &["--for", "fuse"]).unwrap()), [""; 0]);
}

#[test]
fn standalone_has_what_a_boot_asks_for_and_the_marks_of_its_initrd() {
    let (folder, iso) = debian(&[&packed("mksquashfs", &[], &borrowed(&root("usr/lib/modules")))]);
    let files = made(&folder, &iso, &["--standalone"]).unwrap();
    let modules = bridged(&files);
    assert!(modules.contains(&"kernel/drivers/usb/storage/usb-storage") && modules.contains(&"kernel/fs/ext4/ext4"));
    assert!(!modules.iter().any(|path| path.contains("i915")), "{modules:?}");
    assert_eq!(files["conf/uuid.conf"], b"an-id\n");
}

/// Nearly every boot loads usb_storage, and nearly none xfs.
#[test]
fn what_few_boots_load_is_packed_and_found_all_the_same() {
    let depends = "kernel/drivers/usb/storage/usb-storage.ko:\nkernel/fs/xfs/xfs.ko: kernel/lib/libcrc32c.ko\nkernel/lib/libcrc32c.ko:\n";
    let folder = format!("usr/lib/modules/{RELEASE}");
    let names =
        ["modules.dep", "kernel/drivers/usb/storage/usb-storage.ko", "kernel/fs/xfs/xfs.ko", "kernel/lib/libcrc32c.ko"];
    let paths = names.map(|name| format!("{folder}/{name}"));
    let module = [b'm'; 9000];
    let files = [(&*paths[0], depends.as_bytes()), (&*paths[1], &module), (&*paths[2], &module), (&*paths[3], &module)];
    let (folder, iso) = debian(&[&packed("mksquashfs", &[], &files)]);
    let of =
        |files: &BTreeMap<String, Vec<u8>>, name: &str| files.get(&format!("isolde/modules/{RELEASE}/{name}")).cloned();
    let all = made(&folder, &iso, &["--standalone"]).unwrap();
    assert_eq!(of(&all, "kernel/drivers/usb/storage/usb-storage.ko").unwrap(), module);
    for path in ["kernel/fs/xfs/xfs.ko.zst", "kernel/lib/libcrc32c.ko.zst"] {
        let bytes = of(&all, path).unwrap();
        assert!(bytes.len() < 200 && isolde::formats::compressed::decompress(&bytes, 9000).unwrap()[..] == module);
    }
    let depends = Index::parse(of(&all, "modules.dep.bin").unwrap()).unwrap();
    assert_eq!(depends.exact("xfs").unwrap(), "kernel/fs/xfs/xfs.ko.zst: kernel/lib/libcrc32c.ko.zst");
    // What is asked for by name will be loaded.
    let all = made(&folder, &iso, &["--standalone", "--for", "xfs"]).unwrap();
    assert_eq!(of(&all, "kernel/fs/xfs/xfs.ko").unwrap(), module);
}

/// What tells dracut's media from kiwi's of the same layout is that a script is there; what is in it is of no matter.
#[test]
fn a_mark_of_the_initrd_comes_along_where_it_decides() {
    let modules = packed("mksquashfs", &[], &borrowed(&root("usr/lib/modules")));
    let initrd = images::cpio(&[
        ("sbin", 0o120777, b"usr/sbin"),
        ("usr", 0o040755, b""),
        ("usr/sbin", 0o040755, b""),
        ("usr/sbin/dmsquash-live-root", 0o100755, &[b'#'; 20 << 10]),
    ]);
    let folder = Folder::new();
    folder.write("boot/x86_64/loader/linux", kernel(RELEASE)).write("boot/x86_64/loader/initrd", initrd);
    folder.write("LiveOS/squashfs.img", modules).write(
        "boot/grub/grub.cfg",
        "menuentry x {\nlinux /boot/x86_64/loader/linux root=live:CDLABEL=TEST_LIVE rd.live.image\ninitrd /boot/x86_64/loader/initrd\n}\n",
    );
    let files = made(&folder, &folder.iso(true, false), &["--standalone"]).unwrap();
    assert_eq!(files["sbin/dmsquash-live-root"], b"");
}

#[test]
fn standalone_is_refused_where_another_init_boots() {
    let folder = Folder::new();
    // Slax: its own init is delegated to.
    folder
        .write("slax/boot/vmlinuz", kernel(RELEASE))
        .write("slax/boot/initrfs.img", images::cpio(&[("init", 0o100755, b"#!/bin/sh\n")]))
        .write("slax/boot/syslinux.cfg", "LABEL x\nKERNEL /slax/boot/vmlinuz\nAPPEND initrd=/slax/boot/initrfs.img\n")
        .write("slax/01-core.sb", packed("mksquashfs", &[], &borrowed(&root("usr/lib/modules"))));
    let iso = folder.iso(true, false);
    assert!(made(&folder, &iso, &["--standalone"]).is_none());
    assert!(made(&folder, &iso, &["--for", "exfat", "--form", "rdinit"]).is_some());
}

#[test]
fn a_hostile_image_leads_nowhere() {
    let mut hostile = root("usr/lib/modules");
    let table = hostile.iter_mut().find(|(path, _)| path.ends_with("modules.dep")).unwrap();
    table.1.extend(
        "../../../../etc/passwd.ko:\n/etc/shadow.ko:\nkernel/a.ko: ../../b.ko\n\
         kernel/loop-a.ko: kernel/loop-b.ko\nkernel/loop-b.ko: kernel/loop-a.ko\n"
            .bytes(),
    );
    for name in ["loop-a", "loop-b"] {
        hostile.push((format!("usr/lib/modules/{RELEASE}/kernel/{name}.ko"), b"x".to_vec()));
    }
    let (folder, iso) = debian(&[&packed("mksquashfs", &[], &borrowed(&hostile))]);
    for name in ["passwd", "shadow", "a", "b"] {
        assert!(made(&folder, &iso, &["--for", name]).is_none(), "{name}");
    }
    let files = made(&folder, &iso, &["--for", "loop_a"]).unwrap();
    assert!(files.keys().all(|path| !path.contains("..") && !path.starts_with('/')));
    assert_eq!(files.keys().filter(|path| path.ends_with(".ko")).count(), 2);
}

#[test]
fn a_kernel_without_modules_is_an_error_that_names_what_is_there() {
    let (folder, iso) = debian(&[&packed("mksquashfs", &[], &[("usr/lib/modules/5.0/modules.dep", b"")])]);
    let init = init(&folder);
    let words = ["isolde", "-n", "--image", iso.to_str().unwrap(), "--for", "exfat", init.to_str().unwrap()];
    let error = format!("{:#}", write(&Cli::try_parse_from(words).unwrap().args).unwrap_err());
    assert!(error.contains("wanted the modules of kernel 6.1.0-99-test") && error.contains("those of 5.0"), "{error}");
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    let (folder, iso) = debian(&[&packed("mksquashfs", &[], &borrowed(&root("usr/lib/modules")))]);
    let bytes = || {
        made(&folder, &iso, &["--standalone", "--for", "exfat,ext4"]).unwrap();
        fs::read(folder.beside("out.img")).unwrap()
    };
    assert!(bytes() == bytes());
}

/// The text of a section of the manual, without its heading.
fn section(name: &str) -> &'static str {
    let start = MANUAL.find(&format!("\n## {name}\n")).unwrap_or_else(|| panic!("no section {name}"));
    let body = MANUAL[start..].split_once(&format!("{name}\n")).unwrap().1;
    body.split("\n## ").next().unwrap().trim()
}

/// An option as the manual writes it.
fn render(arg: &Arg) -> String {
    let takes = arg.get_action().takes_values();
    let value = arg.get_value_names().filter(|_| takes).map(|names| names[0].as_str());
    let names = arg.get_short().map(|short| format!("`-{short}`")).into_iter();
    let names: Vec<String> = names.chain(arg.get_long().map(|long| format!("`--{long}`"))).collect();
    let head = match value {
        Some(value) if names.is_empty() => format!("*{value}*"),
        Some(value) => format!("{} *{value}*", names.join(", ")),
        None => names.join(", "),
    };
    let mut text = format!("{head}\n: {}.", arg.get_help().unwrap());
    if takes {
        arg.get_default_values().iter().for_each(|value| text += &format!(" Default: `{}`.", value.to_str().unwrap()));
        for value in arg.get_possible_values() {
            text += &format!("\n  - `{}`: {}", value.get_name(), value.get_help().unwrap());
        }
    }
    text
}

#[test]
fn the_manual_holds_exactly_the_options_of_the_program() {
    let mut command = Cli::command();
    command.build();
    let wanted: Vec<String> = command.get_arguments().map(render).collect();
    assert_eq!(section("OPTIONS"), wanted.join("\n\n"));
}

#[test]
fn every_example_is_a_command_line_the_program_takes() {
    let lines: Vec<&str> = MANUAL.lines().filter_map(|line| line.strip_prefix("    isolde mkinitrd ")).collect();
    assert!(lines.len() >= 5, "the examples are gone: {lines:?}");
    for line in lines.iter().filter(|line| !line.starts_with('[')) {
        let matches = Cli::command().try_get_matches_from(["isolde"].into_iter().chain(line.split_whitespace()));
        let matches = matches.unwrap_or_else(|error| panic!("{line}: {error}"));
        Cli::from_arg_matches(&matches).unwrap();
    }
}

#[test]
fn a_bridge_needs_an_image_and_names() {
    for words in [&["--for", "exfat"][..], &["--standalone"]] {
        let words = ["isolde", "-n"].iter().chain(words);
        assert!(Cli::try_parse_from(words).is_err());
    }
    let args = Cli::try_parse_from(["isolde", "-n", "--image", "x.iso", "/no/init"]).unwrap().args;
    assert!(write(&args).is_err());
}
