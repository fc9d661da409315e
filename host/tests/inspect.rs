//! `isolde inspect` on images of every kind that it reads, honest and hostile.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // clippy knows test functions as tests, but not what they call

mod images;

use images::{Folder, cpio, ext4, keep, kernel, length, packed};
use isolde::formats::{ReadAt, read_full};
use isolde_host::inspect::checks::Covers;
use isolde_host::inspect::{Report, Verdict, examine};
use isolde_host::iso::bytes::ImageFile;
use isolde_host::iso::optical::Optical;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SUM: &str = "d41d8cd98f00b204e9800998ecf8427e";
const DEBIAN: &str = "source /boot/grub/grub.cfg\n";
const DEBIAN_MENU: &str = "menuentry \"Live system\" --hotkey=l {\nlinux /live/vmlinuz boot=live components findiso=${iso_path} quiet\n\
                           initrd /live/initrd.img\n}\n";

/// A Debian live ISO's folder.
fn debian() -> Folder {
    let folder = Folder::new();
    folder
        .write("live/vmlinuz", kernel("6.1.0-56-amd64"))
        .write("live/initrd.img", cpio(&[("conf", 0o040_755, b"")]))
        .write("live/1.squashfs", packed("mksquashfs", &["-comp", "zstd"], &[("etc/hostname", b"a")]))
        .write("live/2.squashfs", packed("mksquashfs", &["-comp", "xz"], &[("etc/hostname", b"b")]))
        .write("boot/grub/loopback.cfg", DEBIAN)
        .write("boot/grub/grub.cfg", DEBIAN_MENU);
    folder
}

fn at(path: &Path) -> Report {
    examine(path, None).unwrap_or_else(|error| panic!("{error:#}"))
}

fn layers(report: &Report) -> Vec<&str> {
    report.layers.iter().map(|layer| layer.file.as_str()).collect()
}

/// What every form of [`debian`]'s image has to give.
fn is_debian(report: &Report) {
    assert_eq!(report.verdict, Verdict::Live, "{report}");
    assert_eq!((report.family, report.way), (Some("live-boot"), Some("mounts; its userland does the rest")));
    assert_eq!((report.architecture, report.kernel_version.as_deref()), (Some("x86_64"), Some("6.1.0-56-amd64")));
    assert_eq!(report.kernel.as_deref(), Some("live/vmlinuz"));
    assert_eq!(report.initrd, ["live/initrd.img"]);
    assert_eq!(layers(report), ["live/1.squashfs", "live/2.squashfs"]);
    assert_eq!(report.layers[0].format, Some("squashfs"));
    let menu = report.menu.as_ref().unwrap();
    assert_eq!(menu.words, "boot=live components findiso=/boot/iso/test.iso quiet");
    assert_eq!(menu.from.as_deref(), Some("boot/grub/loopback.cfg"));
    assert_eq!(report.notes, [""; 0]);
}

#[test]
fn rock_ridge() {
    let folder = debian();
    folder.write("md5sum.txt", format!("{SUM}  ./live/vmlinuz\n{SUM}  ./live/1.squashfs\n{SUM}  ./live/2.squashfs\n"));
    folder.write("live/1.squashfs.sha256", "");
    let report = at(&folder.iso(true, true));
    is_debian(&report);
    assert_eq!(report.names, Some("Rock Ridge"));
    assert_eq!(report.volume_id.as_deref(), Some("TEST_LIVE"));
    assert!(report.uuid.as_ref().is_some_and(|uuid| uuid.len() == 22), "{:?}", report.uuid);
    let [list, one] = report.checks.as_slice() else { panic!("{:?}", report.checks) };
    assert_eq!((list.by.as_str(), list.place.as_str()), ("md5", "md5sum.txt"));
    assert_eq!(list.covers, Covers::Files { count: 3, without: vec!["live/initrd.img".into()] });
    assert_eq!((one.by.as_str(), &one.covers), ("sha256", &Covers::File("live/1.squashfs".into())));
    let grub = report.grub.as_deref().unwrap();
    assert!(
        grub.contains("(isotestiso)/live/vmlinuz' boot=live components findiso=/boot/iso/test.iso quiet\n"),
        "{grub}"
    );
}

#[test]
fn joliet_and_plain_names() {
    let folder = debian();
    let report = at(&folder.iso(false, true));
    is_debian(&report);
    assert_eq!(report.names, Some("Joliet"));
    fs::remove_file(folder.beside("test.iso")).unwrap();
    let report = at(&folder.iso(false, false));
    is_debian(&report);
    assert_eq!(report.names, Some("plain ISO 9660"));
}

#[test]
fn udf() {
    let folder = debian();
    let report = at(&folder.udf(false));
    is_debian(&report);
    assert_eq!((report.format, report.names), ("udf", Some("UDF")));
    assert_eq!(report.volume_id.as_deref(), Some("TEST_UDF"));
    // With both, ISO 9660 comes first, as in init.
    let report = at(&folder.udf(true));
    is_debian(&report);
    assert_eq!((report.format, report.names), ("iso9660", Some("Rock Ridge")));
}

#[test]
fn a_folder_behind_a_link() {
    let folder = debian();
    fs::rename(folder.tree().join("live"), folder.tree().join("live_12")).unwrap();
    folder.link("live", "boot/../live_12").write("md5sum.txt", format!("{SUM}  ./live_12/vmlinuz\n"));
    let report = at(&folder.iso(true, false));
    is_debian(&report);
    let without = ["live/initrd.img", "live/1.squashfs", "live/2.squashfs"].map(str::to_owned).to_vec();
    assert_eq!(report.checks[0].covers, Covers::Files { count: 1, without });
}

#[test]
fn links_that_lead_nowhere_or_out() {
    for (link, to) in
        [("live", "live"), ("live", "other"), ("live", "../../../../../../../etc"), ("live", "/proc/self/root/etc")]
    {
        let folder = Folder::new();
        folder.link(link, to).link("other", "live").write("readme", "x");
        let report = at(&folder.iso(true, false));
        assert_eq!(
            report.verdict,
            Verdict::Unknown { seen: ["live", "other", "readme"].map(str::to_owned).to_vec() },
            "{to}"
        );
    }
}

#[test]
fn layers_in_containers() {
    let inner = ext4("inner");
    let squashfs = |compression| packed("mksquashfs", &["-comp", compression], &[("LiveOS/rootfs.img", &inner)]);
    let erofs = |options: &[&str]| packed("mkfs.erofs", options, &[("LiveOS/ext3fs.img", &inner)]);
    let plain = packed("mkfs.erofs", &[], &[("usr/bin/x", b"")]);
    for (bytes, format, nested) in [
        (squashfs("gzip"), "squashfs", Some(("LiveOS/rootfs.img", Some("ext4")))),
        (squashfs("xz"), "squashfs", Some(("LiveOS/rootfs.img", Some("ext4")))),
        (squashfs("zstd"), "squashfs", Some(("LiveOS/rootfs.img", Some("ext4")))),
        (squashfs("lz4"), "squashfs", Some(("LiveOS/rootfs.img", Some("ext4")))),
        (erofs(&[]), "erofs", Some(("LiveOS/ext3fs.img", Some("ext4")))),
        (erofs(&["-zlz4hc"]), "erofs", Some(("LiveOS/ext3fs.img", Some("ext4")))),
        (plain, "erofs", None),
    ] {
        let folder = Folder::new();
        folder.write("LiveOS/squashfs.img", bytes);
        let report = at(&folder.iso(true, false));
        assert_eq!(report.family, Some("dracut"), "{report}");
        let layer = &report.layers[0];
        assert_eq!((layer.file.as_str(), layer.format), ("LiveOS/squashfs.img", Some(format)));
        assert_eq!(layer.nested.as_ref().map(|nested| (nested.file.as_str(), nested.format)), nested, "{format}");
    }
}

#[test]
fn a_root_of_many_files_is_not_taken_for_a_container() {
    let names: Vec<String> = (0..1200).map(|number| format!("d/{number}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let folder = Folder::new();
    folder.write("LiveOS/squashfs.img", packed("mksquashfs", &[], &files));
    let report = at(&folder.iso(true, false));
    assert_eq!(report.layers[0].nested, None);
    assert!(report.notes[0].contains("it has 1202 files"), "{:?}", report.notes);
}

#[test]
fn a_menu_that_wants_more_than_to_boot() {
    let folder = debian();
    folder.write(
        "boot/grub/loopback.cfg",
        "set evil='x;reboot'\nmenuentry \"\\\"}\u{1b}[2J; reboot\" {\n\
         linux /live/vmlinuz boot=live findiso=$iso_path $evil '$(reboot)' \"a`b`\" 'c d' 'e\nf' isolde.verify=off isolde.foo rdinit=/x '}' quiet\n\
         initrd /live/initrd.img\nchainloader /evil.efi\nwrite_file /x\n}\n",
    );
    let report = at(&folder.iso(true, false));
    let menu = report.menu.as_ref().unwrap();
    assert_eq!(menu.words, "boot=live findiso=/boot/iso/test.iso quiet");
    assert_eq!(menu.left_out.len(), 9, "{:?}", menu.left_out);
    let commands: Vec<_> = report.notes.iter().filter(|note| note.contains("is not passed on")).collect();
    assert_eq!(commands.len(), 2, "{:?}", report.notes);
    let grub = report.grub.as_deref().unwrap();
    assert_eq!(grub.lines().count(), 5, "{grub}");
    for evil in ["reboot", "$", ";", "`", "isolde.verify", "chainloader", "\u{1b}"] {
        assert!(!grub.contains(evil), "{evil}: {grub}");
    }
    assert!(!report.to_string().contains('\u{1b}'));
    // GRUB's own parser, on the text as it is.
    let menu = keep(&folder, "menu.cfg", grub.as_bytes());
    images::run(Command::new("grub-script-check").arg(menu));
}

#[test]
fn a_menu_that_names_no_image_gets_our_word() {
    let folder = debian();
    folder.write("boot/grub/loopback.cfg", DEBIAN_MENU.replace("findiso=${iso_path} quiet", "--"));
    let report = at(&folder.iso(true, false));
    assert_eq!(report.menu.unwrap().words, "isolde.image=/boot/iso/test.iso boot=live components --");
}

#[test]
fn an_image_that_was_cut_short() {
    let path = debian().iso(true, false);
    let folder = debian();
    let path = keep(&folder, "cut.iso", &{
        let whole = fs::read(folder.iso(true, false)).unwrap();
        drop(path);
        whole[..whole.len() - 400_000].to_vec()
    });
    let error = format!("{:#}", examine(&path, None).unwrap_err());
    assert!(error.starts_with(&format!("{}: wanted ", path.display())), "{error}");
    assert!(error.ends_with(&format!("seen {}: the copy was cut short", length(&path))), "{error}");
}

#[test]
fn files_over_4_gib() {
    const BIG: u64 = (4 << 30) + (64 << 20);
    let folder = debian();
    let big = folder.tree().join("live/3.squashfs");
    let mut start = packed("mksquashfs", &[], &[("x", b"y")]);
    start[40..48].copy_from_slice(&BIG.to_le_bytes()); // bytes_used: as much as the file has
    fs::write(&big, start).unwrap();
    fs::File::options().write(true).open(&big).unwrap().set_len(BIG).unwrap();
    let mark = BIG - 10;
    std::os::unix::fs::FileExt::write_all_at(&fs::File::options().write(true).open(&big).unwrap(), b"far behind", mark)
        .unwrap();
    // Through a pipe, so that the image is as sparse as the file. xorriso writes to one only when that is its first
    // option, so that start-up files are switched off by their place.
    let path = folder.beside("test.iso");
    let mut maker = Command::new("xorrisofs")
        .args(["-quiet", "-iso-level", "3", "-r", "-o", "-"])
        .arg(folder.tree())
        .env("HOME", folder.beside("nobody"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut of = std::ffi::OsString::from("of=");
    of.push(&path);
    let output = maker.stdout.take().unwrap();
    let copied = Command::new("dd")
        .arg(of)
        .args(["bs=1M", "conv=sparse", "iflag=fullblock", "status=none"])
        .stdin(output)
        .status();
    assert!(copied.unwrap().success() && maker.wait().unwrap().success());

    let report = at(&path);
    assert_eq!(report.layers.last().map(|layer| (layer.file.as_str(), layer.bytes)), Some(("live/3.squashfs", BIG)));
    assert_eq!(report.notes, [""; 0]);
    let image = ImageFile::open(&path).unwrap();
    let file = Optical::iso(&image).unwrap().file("live/3.squashfs").unwrap().unwrap();
    let mut buf = [0; 20];
    assert_eq!(read_full(&file, &mut buf, mark).unwrap(), 10);
    assert_eq!(&buf[..10], b"far behind");
    assert_eq!(file.size().unwrap(), BIG);
    // Across the edge of the first stretch.
    assert_eq!(read_full(&file, &mut buf, (4 << 30) - 2048 - 10).unwrap(), 20);
}

#[test]
fn what_is_no_live_system() {
    let installer = Folder::new();
    installer.write("install.amd/vmlinuz", kernel("6.1.0")).write("install.amd/initrd.gz", "");
    let path = installer.iso(true, false);
    let Verdict::NotLive { what, advice } = at(&path).verdict else { panic!() };
    assert_eq!(what, "a Debian installer");
    assert!(!advice.is_empty());
    let output = isolde(&[path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("none: it is a Debian installer; write it"), "{output:?}");

    // As on a Windows medium: the ISO 9660 side has a note only.
    let windows = Folder::new();
    windows.write("sources/boot.wim", "x");
    let path = windows.udf(true);
    let mut bytes = fs::read(&path).unwrap();
    let name = b"SOURCES";
    let count = bytes.windows(name.len()).filter(|window| *window == name).count();
    assert!(count > 0);
    while let Some(found) = bytes.windows(name.len()).position(|window| window == name) {
        bytes[found] = b'X';
    }
    let rock = b"sources";
    if let Some(found) = bytes.windows(rock.len()).position(|window| window == rock) {
        bytes[found] = b'x';
    }
    fs::write(&path, bytes).unwrap();
    let verdict = at(&path).verdict;
    assert!(matches!(&verdict, Verdict::NotLive { what, .. } if what == "a Windows medium"), "{verdict:?}");
}

#[test]
fn single_file_systems() {
    let folder = Folder::new();
    for (name, bytes, format, label) in [
        ("a.squashfs", packed("mksquashfs", &[], &[("x", b"y")]), "squashfs", None),
        ("a.erofs", packed("mkfs.erofs", &[], &[("x", b"y")]), "erofs", None),
        ("a.ext4", ext4("ROOT"), "ext4", Some("ROOT")),
    ] {
        let report = at(&keep(&folder, name, &bytes));
        assert_eq!((report.verdict, report.family, report.format), (Verdict::Live, Some("image"), format));
        assert_eq!(report.volume_id.as_deref(), label);
        assert_eq!(
            (report.layers[0].file.as_str(), report.layers[0].format),
            (format!("/boot/iso/{name}").as_str(), Some(format))
        );
    }
}

#[test]
fn what_is_implanted_in_the_image() {
    let folder = debian();
    let path = folder.iso(true, false);
    let mut bytes = fs::read(&path).unwrap();
    let text = format!("{:<512}", format!("ISO MD5SUM = {SUM};SKIPSECTORS = 15;RHLISOSTATUS=0;"));
    bytes[0x8373..0x8373 + 512].copy_from_slice(text.as_bytes());
    fs::write(&path, bytes).unwrap();
    let report = at(&path);
    assert_eq!((report.checks[0].by.as_str(), &report.checks[0].covers), ("md5", &Covers::Image));
}

fn isolde(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isolde")).arg("inspect").args(arguments).output().unwrap()
}

#[test]
fn the_command() {
    let folder = debian();
    let path = folder.iso(true, false);
    let path = path.to_str().unwrap();
    let output = isolde(&[path, "--json", "--at", "isos/d.iso"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["family"], "live-boot");
    assert_eq!(json["verdict"], "live");
    assert_eq!(json["menu"]["words"], "boot=live components findiso=/isos/d.iso quiet");
    assert_eq!(json["layers"][1]["file"], "live/2.squashfs");
    let output = isolde(&[path]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("  kernel         live/vmlinuz, 6.1.0-56-amd64\n"), "{text}");

    let nothing = keep(&folder, "nothing.iso", &[7; 100_000]);
    for (arguments, wanted) in [
        (["/no/such.iso"], "isolde: /no/such.iso: No such file"),
        (["/"], "isolde: /: wanted an image file, seen a directory"),
        (
            [nothing.to_str().unwrap()],
            "wanted an ISO 9660, UDF, squashfs, erofs or ext4 image, seen no known file system in 100000 bytes",
        ),
    ] {
        let output = isolde(&arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(wanted), "{output:?}");
    }
}

#[test]
fn a_path_that_no_menu_can_name() {
    let folder = debian();
    let path = folder.beside("my iso $(x).iso");
    fs::rename(folder.iso(true, false), &path).unwrap();
    let report = at(&path);
    assert_eq!(report.verdict, Verdict::Live);
    assert_eq!(report.grub, None);
    assert!(report.notes.iter().any(|note| note.contains("rename the file")), "{:?}", report.notes);
}

#[test]
fn damaged_images_are_errors_and_not_crashes() {
    let folder = debian();
    let path = folder.iso(true, true);
    let whole = fs::read(&path).unwrap();
    // Every block of the descriptors, tables and directories in turn, with rubbish in it.
    for block in 16..whole.len().min(600 * 2048) / 2048 {
        let mut bytes = whole.clone();
        bytes[block * 2048..][..2048].fill(0xa5);
        let report = isolde_host::inspect::look(&bytes.as_slice(), "x.iso", "/x.iso");
        assert!(block != 16 || report.is_err(), "without its first descriptor it is no image");
    }
}
