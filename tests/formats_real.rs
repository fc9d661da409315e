//! The parsers of `formats` against the tools that make those formats, and the tools that read them.
//!
//! Everything is generated here and compared with what blkid, partx, modprobe and modinfo say. A missing tool of the basic
//! set is a failure, not a skip: a comparison that silently does not happen proves nothing. NTFS, F2FS, XFS, UDF, LUKS and LVM
//! are compared where their tools are installed.

// A test fails by panicking, and so do its helpers, which clippy.toml's exceptions for test functions do not cover.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use isolde::formats::module_index::Index;
use isolde::formats::partitions::partitions;
use isolde::formats::superblock::{Format, Superblock, probe};
use isolde::formats::{b3sums, compressed, modinfo::ModInfo, softdep};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory of its own for each test, removed at its end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("formats-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn blank(&self, name: &str, len: u64) -> PathBuf {
        let path = self.0.join(name);
        File::create(&path).unwrap().set_len(len).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where a program is; an ordinary user's PATH lacks sbin, where most of them are.
fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    directories.map(|directory| directory.join(tool)).find(|program| program.is_file())
}

fn tool(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| panic!("{name} is missing: run setup.sh test")))
}

/// Runs a command and gives what it prints.
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Undoes libblkid's encoding of names: `\xNN` for what is neither a letter, a digit nor harmless.
fn decode(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8(bytes).unwrap()
}

/// TYPE, UUID and LABEL as `blkid -p` finds them; `None` when it finds nothing.
fn blkid(image: &Path) -> Option<(String, Option<String>, Option<String>)> {
    // This form is the only one that tells a label with spaces and letters beyond ASCII unambiguously.
    let output = tool("blkid").args(["-p", "-o", "udev"]).arg(image).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let mut field = |key| fields.remove(key).map(decode);
    Some((field("ID_FS_TYPE")?, field("ID_FS_UUID_ENC"), field("ID_FS_LABEL_ENC")))
}

fn shown(found: Option<Superblock>) -> Option<(String, Option<String>, Option<String>)> {
    found.map(|found| (found.format.name().to_string(), found.uuid, found.label))
}

const MIB: u64 = 1 << 20;

/// One image: name, length, the program that makes it, and its arguments; `@` stands for the image, `%` for a directory
/// with a few files. Programs that make the file themselves have length 0.
type Recipe = (&'static str, u64, &'static str, &'static [&'static str]);

const RECIPES: &[Recipe] = &[
    ("ext2", 8 * MIB, "mke2fs", &["-q", "-t", "ext2", "-L", "Daten Größe", "@"]),
    ("ext3", 16 * MIB, "mke2fs", &["-q", "-t", "ext3", "@"]),
    ("ext4", 20 * MIB, "mke2fs", &["-q", "-t", "ext4", "-L", "sixteen-letters!", "@"]),
    ("ext4-4k", 64 * MIB, "mke2fs", &["-q", "-t", "ext4", "-b", "4096", "-O", "64bit", "-L", "a b$c\"d", "@"]),
    ("ext4-no-journal", 20 * MIB, "mke2fs", &["-q", "-t", "ext4", "-O", "^has_journal", "@"]),
    ("journal", 16 * MIB, "mke2fs", &["-q", "-O", "journal_dev", "-L", "log", "@"]),
    ("fat12", 2 * MIB, "mkfs.vfat", &["-F", "12", "-n", "TWELVE", "@"]),
    ("fat16", 20 * MIB, "mkfs.vfat", &["-F", "16", "-n", "SIX TEEN", "-i", "00000abc", "@"]),
    ("fat32", 64 * MIB, "mkfs.vfat", &["-F", "32", "-n", "ISOLDE", "@"]),
    ("fat32-no-label", 64 * MIB, "mkfs.vfat", &["-F", "32", "@"]),
    ("fat32-4k", 300 * MIB, "mkfs.vfat", &["-F", "32", "-S", "4096", "-n", "BIGSECTOR", "@"]),
    ("fat-superfloppy", 20 * MIB, "mkfs.vfat", &["-I", "--mbr=yes", "-n", "HASMBR", "@"]),
    ("exfat", 20 * MIB, "mkfs.exfat", &["-L", "Größe 日本", "@"]),
    ("exfat-32k", 300 * MIB, "mkfs.exfat", &["-c", "32K", "-L", "ELEVEN CHAR", "@"]),
    ("exfat-no-label", 20 * MIB, "mkfs.exfat", &["@"]),
    ("btrfs", 120 * MIB, "mkfs.btrfs", &["-q", "-L", "Daten – groß", "@"]),
    ("btrfs-no-label", 120 * MIB, "mkfs.btrfs", &["-q", "@"]),
    ("squashfs", 0, "mksquashfs", &["%", "@", "-quiet", "-no-progress"]),
    ("erofs", 0, "mkfs.erofs", &["-U", "0d8d4a3c-7a4c-4b0b-9d0f-0123456789ab", "@", "%"]),
    ("swap", 2 * MIB, "mkswap", &["-L", "Auslagerung", "@"]),
    ("iso-plain", 0, "xorriso", &["-as", "mkisofs", "-quiet", "-V", "DEBIAN_12", "-o", "@", "%"]),
    ("iso-joliet", 0, "xorriso", &["-as", "mkisofs", "-quiet", "-J", "-V", "Live Stick Größe", "-o", "@", "%"]),
    (
        "iso-joliet-long",
        0,
        "xorriso",
        &["-as", "mkisofs", "-quiet", "-J", "-V", "Ubuntu 24.04.1 LTS amd64", "-o", "@", "%"],
    ),
    ("empty", 8 * MIB, "true", &[]),
    ("tiny", 512, "true", &[]),
    ("ntfs", 20 * MIB, "mkfs.ntfs", &["-q", "-F", "-L", "Größe – 数据", "@"]),
    ("ntfs-64k", 80 * MIB, "mkfs.ntfs", &["-q", "-F", "-c", "65536", "@"]),
    ("xfs", 320 * MIB, "mkfs.xfs", &["-q", "-L", "zwölf", "@"]),
    ("xfs-4k", 320 * MIB, "mkfs.xfs", &["-q", "-s", "size=4096", "@"]),
    ("f2fs", 120 * MIB, "mkfs.f2fs", &["-q", "-l", "Größe 日本", "@"]),
    ("udf-512", 20 * MIB, "mkudffs", &["-b", "512", "-l", "Größe", "@"]),
    ("udf-2048", 20 * MIB, "mkudffs", &["-b", "2048", "-l", "日本 – disc", "@"]),
    ("udf-4096", 20 * MIB, "mkudffs", &["-b", "4096", "--uuid=12345678deadbeef", "@"]),
    (
        "luks1",
        20 * MIB,
        "cryptsetup",
        &["-q", "luksFormat", "--type", "luks1", "--pbkdf-force-iterations", "1000", "@", "/etc/hostname"],
    ),
    (
        "luks2",
        20 * MIB,
        "cryptsetup",
        &[
            "-q",
            "luksFormat",
            "--type",
            "luks2",
            "--label",
            "Tresor",
            "--pbkdf",
            "pbkdf2",
            "--pbkdf-force-iterations",
            "1000",
            "@",
            "/etc/hostname",
        ],
    ),
];

/// Makes an image; `None` when the program for it is not there.
fn image(dir: &Dir, (name, len, program, arguments): &Recipe) -> Option<PathBuf> {
    let contents = dir.0.join("contents");
    if !contents.exists() {
        dir.file("contents/hello", "hello\n");
        dir.file(
            "contents/sub/noise",
            (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>(),
        );
    }
    let mut command = Command::new(find(program)?);
    let path = if *len == 0 { dir.0.join(name) } else { dir.blank(name, *len) };
    for argument in *arguments {
        match *argument {
            "@" => command.arg(&path),
            "%" => command.arg(&contents),
            other => command.arg(other),
        };
    }
    run(&mut command);
    Some(path)
}

fn compare(dir: &Dir, recipe: &Recipe, path: &Path) {
    let bytes = fs::read(path).unwrap();
    let found = probe(&bytes.as_slice()).unwrap();
    if let Some(size) = found.as_ref().and_then(|found| found.size) {
        assert!(size <= bytes.len() as u64, "{}: needs {size} of {} bytes", recipe.0, bytes.len());
        assert!(size * 2 >= bytes.len() as u64, "{}: needs only {size} of {} bytes", recipe.0, bytes.len());
    }
    assert_eq!(shown(found), blkid(path), "{}", recipe.0);

    // Cut off anywhere, it is something or nothing, but no error. Behind the superblocks every place is like the next.
    let cuts = (0..bytes.len().min(140 * 1024)).step_by(512).chain((0..bytes.len()).step_by(bytes.len() / 100 + 1));
    for len in cuts {
        probe(&&bytes[..len]).unwrap();
    }
    // Cut in half, blkid decides.
    let half = dir.file("half", &bytes[..bytes.len() / 2]);
    assert_eq!(shown(probe(&&bytes[..bytes.len() / 2]).unwrap()), blkid(&half), "half of {}", recipe.0);

    // Changed in a few places, nothing may go wrong. A fixed generator, so that a failure can be repeated.
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let head = bytes.len().min(1 << 20);
    let mut damaged = bytes[..head].to_vec();
    for _ in 0..200 {
        let places: Vec<_> = (0..4)
            .map(|_| [random() % head, random() % head.min(1200), random() % head.min(70_000)][random() % 3])
            .collect();
        for &place in &places {
            damaged[place] = random() as u8;
        }
        probe(&damaged.as_slice()).unwrap();
        for &place in &places {
            damaged[place] = bytes[place];
        }
    }
}

#[test]
fn superblocks_as_blkid_sees_them() {
    let dir = Dir::new("superblocks");
    for recipe in RECIPES {
        let path = image(&dir, recipe).unwrap_or_else(|| panic!("{} is missing: run setup.sh test", recipe.2));
        compare(&dir, recipe, &path);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn labels_changed_later() {
    let dir = Dir::new("labels");
    for recipe in RECIPES.iter().filter(|recipe| recipe.0.starts_with("fat32") || recipe.0 == "fat12") {
        let path = image(&dir, recipe).unwrap();
        run(tool("fatlabel").arg(&path).arg("RENAMED"));
        assert_eq!(shown(probe(&fs::read(&path).unwrap().as_slice()).unwrap()), blkid(&path));
        assert_eq!(blkid(&path).unwrap().2.as_deref(), Some("RENAMED"));
        run(tool("fatlabel").arg("-r").arg(&path));
        assert_eq!(shown(probe(&fs::read(&path).unwrap().as_slice()).unwrap()), blkid(&path));
    }
}

/// An old file system's remains beside a new one: blkid refuses to choose, and so do we.
#[test]
fn ambivalent_media() {
    let dir = Dir::new("ambivalent");
    let path = image(&dir, &("ext4", 120 * MIB, "mke2fs", &["-q", "-t", "ext4", "@"])).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let swap = fs::read(image(&dir, &("swap", 120 * MIB, "mkswap", &["@"])).unwrap()).unwrap();
    bytes[4096 - 10..4096].copy_from_slice(&swap[4096 - 10..4096]);
    bytes[1024 + 4..1024 + 8].copy_from_slice(&1000_u32.to_le_bytes());
    bytes[1024..1028].copy_from_slice(&1_u32.to_le_bytes());
    let path = dir.file("both", &bytes);
    assert_eq!(blkid(&path), None);
    assert_eq!(probe(&bytes.as_slice()).unwrap().unwrap().format, Format::Ambivalent);
}

/// Number, start, length, PARTUUID and PARTLABEL as libblkid has them.
fn partx(disk: &Path) -> Vec<(u32, u64, u64, String, String)> {
    let output = run(tool("partx").args(["-P", "-o", "NR,START,SECTORS,UUID,NAME,TYPE"]).arg(disk));
    let text = String::from_utf8(output).unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        let fields: BTreeMap<&str, &str> =
            line.strip_suffix('"').unwrap().split("\" ").filter_map(|field| field.split_once("=\"")).collect();
        if fields["TYPE"] == "0x5" || fields["TYPE"] == "0xf" {
            continue; // partitions() lists no extended partitions
        }
        let number = |key: &str| fields[key].parse::<u64>().unwrap();
        found.push((
            number("NR") as u32,
            number("START") * 512,
            number("SECTORS") * 512,
            fields["UUID"].into(),
            decode(fields["NAME"]),
        ));
    }
    found
}

#[test]
fn partitions_as_partx_sees_them() {
    let dir = Dir::new("partitions");
    let tables = [
        ("gpt", "label: gpt\nsize=2M, name=\"EFI system\"\nsize=3M\nstart=20M, name=\"Daten Größe\"\n"),
        ("gpt-gap", "label: gpt\n3: size=2M, name=\"three\"\n7: size=2M, name=\"seven\"\n"),
        (
            "mbr",
            "label: dos\nlabel-id: 0xdeadbeef\nsize=2M, type=c, bootable\nsize=10M, type=5\nsize=2M\nsize=1M\nsize=3M\nsize=2M\n",
        ),
        ("mbr-one", "label: dos\nlabel-id: 0x00c0ffee\n3: size=2M\n"),
    ];
    for (name, script) in tables {
        let path = dir.blank(name, 40 * MIB);
        let script = dir.file("script", script);
        let mut sfdisk = tool("sfdisk");
        let status =
            sfdisk.arg("-q").arg(&path).stdin(File::open(script).unwrap()).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "sfdisk {name}");
        let bytes = fs::read(&path).unwrap();
        let list = |bytes: &[u8]| {
            let found = partitions(&bytes, 512).unwrap().into_iter();
            found
                .map(|p| (p.number, p.start, p.size, p.uuid.unwrap_or_default(), p.label.unwrap_or_default()))
                .collect::<Vec<_>>()
        };
        let wanted = partx(&path);
        assert!(!wanted.is_empty());
        assert_eq!(list(&bytes), wanted, "{name}");

        // The primary GPT destroyed: the backup serves.
        if name.starts_with("gpt") {
            let mut damaged = bytes.clone();
            damaged[512 + 16] ^= 1;
            assert_eq!(list(&damaged), list(&bytes));
        }
        for len in (0..64 * 1024).step_by(512) {
            list(&bytes[..len]);
        }
    }
    // A hybrid ISO has an MBR whose partition begins with the disc itself.
    let recipe: Recipe = (
        "hybrid",
        0,
        "xorriso",
        &["-as", "mkisofs", "-quiet", "-V", "HYBRID", "-partition_offset", "16", "-o", "@", "%"],
    );
    let path = image(&dir, &recipe).unwrap();
    let bytes = fs::read(&path).unwrap();
    let found: Vec<_> =
        partitions(&bytes.as_slice(), 512).unwrap().into_iter().map(|p| (p.number, p.start, p.size)).collect();
    assert_eq!(found, partx(&path).into_iter().map(|p| (p.0, p.1, p.2)).collect::<Vec<_>>());
    assert_eq!(probe(&bytes.as_slice()).unwrap().unwrap().format, Format::Iso9660);
}

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

#[test]
fn packed_files_are_unpacked() {
    let dir = Dir::new("packed");
    // Machine code, as it is what the x86 filter of xz is for.
    let plain = fs::read(find("b3sum").unwrap_or_else(|| panic!("b3sum is missing: run setup.sh test"))).unwrap();
    let plain = &plain[..plain.len().min(2 << 20)];
    let path = dir.file("module.ko", plain);
    let forms: [(&str, &[&str]); 9] = [
        ("xz", &["--check=crc32", "--x86", "--lzma2=dict=1MiB"]),
        ("xz", &["--check=crc32", "--arm64", "--lzma2=dict=2MiB"]),
        ("xz", &["-9"]),
        ("xz", &["--check=none", "-1"]),
        ("zstd", &["-q", "-1"]),
        ("zstd", &["-q", "-19", "--no-check"]),
        ("zstd", &["-q", "--ultra", "-22", "--long=26"]),
        ("gzip", &["-n", "-9"]),
        ("gzip", &["-1"]),
    ];
    for (program, arguments) in forms {
        let output = tool(program).args(arguments).arg("-c").arg(&path).output().unwrap();
        if !output.status.success() && arguments.contains(&"--arm64") {
            continue; // xz before 5.4
        }
        assert!(output.status.success(), "{program} {arguments:?}");
        let packed = output.stdout;
        let unpacked = compressed::decompress(&packed, plain.len() as u64).unwrap();
        assert!(unpacked.as_ref() == plain, "{program} {arguments:?}");
        assert!(compressed::decompress(&packed, plain.len() as u64 - 1).is_err(), "{program} {arguments:?}: limit");
        let mut len = 8;
        while len < packed.len() {
            assert!(compressed::decompress(&packed[..len], u64::MAX).is_err(), "{program} {arguments:?}: cut at {len}");
            len += packed.len() / 7;
        }
    }
}

#[test]
fn lists_of_b3sum_are_read() {
    let dir = Dir::new("b3sum");
    let names = ["debian 12.iso", "back\\slash", "new\nline", "größe", " leading", "\\n"];
    for name in names {
        dir.file(name, name);
    }
    let mut forms = vec![vec![]];
    let help = String::from_utf8(run(tool("b3sum").arg("--help"))).unwrap();
    if help.contains("--tag") {
        forms.push(vec!["--tag"]);
    }
    for form in forms {
        let list = run(tool("b3sum").args(&form).arg("--").args(names).current_dir(&dir.0));
        let entries = b3sums::parse(&list).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), names);
        for name in names {
            assert_eq!(b3sums::find(&entries, name).unwrap(), Some(*blake3::hash(name.as_bytes()).as_bytes()));
        }
    }
    let nameless = run(tool("b3sum").args(["--no-names", "größe"]).current_dir(&dir.0));
    let entries = b3sums::parse(&nameless).unwrap();
    assert_eq!(b3sums::find(&entries, "any.iso").unwrap(), Some(*blake3::hash("größe".as_bytes()).as_bytes()));
}
