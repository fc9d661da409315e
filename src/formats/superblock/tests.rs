//! Images made by code; those of the real tools are in tests/formats_real.rs.

use super::*;
use proptest::prelude::*;

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

fn ext(incompat: u32, ro_compat: u32, compat: u32) -> Vec<u8> {
    let mut image = vec![0; 2 << 20];
    put(&mut image, 1024 + 4, &2048_u32.to_le_bytes());
    put(&mut image, 1024 + 0x38, &[0x53, 0xef]);
    put(&mut image, 1024 + 0x5c, &compat.to_le_bytes());
    put(&mut image, 1024 + 0x60, &incompat.to_le_bytes());
    put(&mut image, 1024 + 0x64, &ro_compat.to_le_bytes());
    put(&mut image, 1024 + 0x68, &[0x11; 16]);
    put(&mut image, 1024 + 0x78, "Größe 1".as_bytes());
    image
}

fn iso(label: &[u8], joliet: Option<&str>) -> Vec<u8> {
    let mut image = vec![0; 80 * 1024];
    let mut descriptors = vec![(1, label.to_vec())];
    descriptors.extend(joliet.map(|text| (2, text.encode_utf16().flat_map(u16::to_be_bytes).collect())));
    descriptors.push((255, Vec::new()));
    for (index, (kind, label)) in descriptors.into_iter().enumerate() {
        let at = 32768 + index * 2048;
        image[at] = kind;
        put(&mut image, at + 1, b"CD001\x01");
        let blank = if kind == 2 { [0, b' '] } else { [b' '; 2] };
        put(&mut image, at + 40, &blank.repeat(16));
        put(&mut image, at + 40, &label);
        put(&mut image, at + 80, &40_u32.to_le_bytes());
        put(&mut image, at + 128, &2048_u16.to_le_bytes());
        put(&mut image, at + 813, b"2024010203040506\0");
        put(&mut image, at + 830, &[b'0'; 16]);
        if kind == 2 {
            put(&mut image, at + 88, b"%/E");
        }
    }
    image
}

fn raid_1_0(mut image: Vec<u8>) -> Vec<u8> {
    let at = (image.len() - 8192) & !4095;
    put(&mut image, at, &0xa92b_4efc_u32.to_le_bytes());
    put(&mut image, at + 4, &1_u32.to_le_bytes());
    put(&mut image, at + 16, &[0x22; 16]);
    put(&mut image, at + 32, b"host:0");
    put(&mut image, at + 144, &(at as u64 / 512).to_le_bytes());
    image
}

fn found(image: &[u8]) -> Option<Superblock> {
    probe(&image).unwrap()
}

#[test]
fn ext_versions() {
    let table = [
        (ext(0x2, 0x3, 0), Format::Ext2),
        (ext(0x6, 0x3, 0x4), Format::Ext3),
        (ext(0x2c2, 0x46b, 0x3c), Format::Ext4),
        (ext(0x2, 0x400, 0), Format::Ext4),
        (ext(0x8, 0, 0), Format::ExtJournal),
    ];
    for (image, format) in table {
        let found = found(&image).unwrap();
        assert_eq!(found.format, format);
        assert_eq!(found.uuid.as_deref(), Some("11111111-1111-1111-1111-111111111111"));
        assert_eq!(found.label.as_deref(), Some("Größe 1"));
        assert_eq!(found.size, Some(2 << 20));
    }
}

#[test]
fn iso_labels() {
    let table: [(&[u8], Option<&str>, &str); 5] = [
        (b"DEBIAN 12", None, "DEBIAN 12"),
        (b"LIVE_STICK_WITH_A_LONG_NAME", Some("Live Stick with "), "Live Stick with A_LONG_NAME"),
        (b"GR__E", Some("Größe"), "Größe"),
        (b"_X", Some("🚀x"), "🚀x"),
        (b"OTHER", Some("different"), "different"),
    ];
    for (short, long, wanted) in table {
        let found = found(&iso(short, long)).unwrap();
        assert_eq!(found.label.as_deref(), Some(wanted));
        assert_eq!(found.uuid.as_deref(), Some("2024-01-02-03-04-05-06"));
        assert_eq!(found.size, Some(40 * 2048));
    }
}

#[test]
fn a_mirror_is_not_its_contents() {
    let mut image = ext(0x2c2, 0x46b, 0x3c);
    image.resize(3 << 20, 0);
    assert_eq!(found(&image).unwrap().format, Format::Ext4);
    let found = found(&raid_1_0(image)).unwrap();
    assert_eq!((found.format, found.label.as_deref()), (Format::RaidMember, Some("host:0")));
}

#[test]
fn two_signs_count_for_none() {
    let mut image = ext(0x2c2, 0x46b, 0x3c);
    put(&mut image, 4086, b"S1SUSPEND\0");
    assert_eq!(found(&image).unwrap().format, Format::Ambivalent);
    let mut image = vec![0; 64 * 1024];
    put(&mut image, 4086, b"S1SUSPEND\0");
    assert_eq!(found(&image).unwrap().format, Format::Hibernated);
}

#[test]
fn nothing() {
    for len in [0, 1, 511, 512, 4096, 32769, 69632, 4 << 20] {
        assert_eq!(found(&vec![0; len]), None);
        assert_eq!(found(&vec![0xff; len]), None);
    }
}

/// A drive that cannot read some areas.
struct Bad {
    image: Vec<u8>,
    unreadable: std::ops::Range<u64>,
}

impl ReadAt for Bad {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset < self.unreadable.end && offset + buf.len() as u64 > self.unreadable.start {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.image.as_slice().read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.image.len() as u64)
    }
}

#[test]
fn a_bad_sector_hides_only_what_is_there() {
    let image = ext(0x2c2, 0x46b, 0x3c);
    let at = |unreadable| probe(&Bad { image: image.clone(), unreadable }).map(|found| found.map(|found| found.format));
    assert_eq!(at(65536..66048).unwrap(), Some(Format::Ext4));
    assert_eq!(at(4096..69632).unwrap(), Some(Format::Ext4));
    assert!(at(0..512).is_err());
    let iso = Bad { image: iso(b"X", None), unreadable: 69632 - 512..69632 };
    assert_eq!(probe(&iso).unwrap().unwrap().format, Format::Iso9660);
}

/// Counts reads.
struct Counted<'a>(&'a [u8], std::cell::Cell<usize>);

impl ReadAt for Counted<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.set(self.1.get() + 1);
        self.0.read_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

#[test]
fn one_read_is_enough() {
    for image in [ext(0x2c2, 0x46b, 0x3c), iso(b"X", None)] {
        let counted = Counted(&image, 0.into());
        assert!(probe(&counted).unwrap().is_some());
        assert_eq!(counted.1.get(), 1);
    }
    // An empty disk: the start, and both places of a RAID superblock at the end.
    let empty = vec![0; 4 << 20];
    let counted = Counted(&empty, 0.into());
    assert_eq!(probe(&counted).unwrap(), None);
    assert_eq!(counted.1.get(), 3);
}

/// A FAT32 whose root directory is a chain of clusters that bites its own tail, full of deleted entries.
#[test]
fn endless_directories_end() {
    let mut image = vec![0; 1 << 20];
    put(&mut image, 0, &[0xeb, 0x58, 0x90]);
    put(&mut image, 0x0b, &[0, 2, 1, 32, 0, 2]);
    image[0x15] = 0xf8;
    put(&mut image, 0x20, &2048_u32.to_le_bytes());
    put(&mut image, 0x24, &16_u32.to_le_bytes());
    put(&mut image, 0x2c, &2_u32.to_le_bytes());
    put(&mut image, 0x43, &0xcafe_0001_u32.to_le_bytes());
    put(&mut image, 510, &[0x55, 0xaa]);
    put(&mut image, 32 * 512 + 8, &2_u32.to_le_bytes());
    image[64 * 512..65 * 512].fill(0xe5);
    let counted = Counted(&image, 0.into());
    let found = probe(&counted).unwrap().unwrap();
    assert_eq!((found.format, found.uuid.as_deref(), found.label), (Format::Vfat, Some("CAFE-0001"), None));
    assert!(counted.1.get() < 2000, "{}", counted.1.get());
    image[64 * 512 + 32..64 * 512 + 44].copy_from_slice(b"STICK      \x08");
    put(&mut image, 64 * 512 + 32 + 20, &[0; 8]);
    assert_eq!(probe(&image.as_slice()).unwrap().unwrap().label.as_deref(), Some("STICK"));
}

proptest! {
    #[test]
    fn total(bytes in proptest::collection::vec(any::<u8>(), 0..3000), at in 0..70_000_usize) {
        let mut image = vec![0; at];
        image.extend(bytes);
        let _ = probe(&image.as_slice());
    }

    #[test]
    fn total_when_damaged(damage in proptest::collection::vec((0..80_000_usize, any::<u8>()), 1..20), kind in 0..3) {
        let mut image = match kind {
            0 => ext(0x2c2, 0x46b, 0x3c),
            1 => iso(b"LABEL", Some("Label")),
            _ => raid_1_0(vec![0; 2 << 20]),
        };
        for (at, byte) in damage {
            image[at] = byte;
        }
        let _ = probe(&image.as_slice());
    }
}
