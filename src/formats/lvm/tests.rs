//! Physical volumes made by hand. Those of the real tools are compared in tests/containers_real.rs.

use super::*;
use crate::sys::record::containers::{metadata, physical_volume};
use proptest::prelude::*;

const GROUP: &str = "eGX4s2-62lj-Njbx-PGnJ-lmPO-2avV-C5m0f6";
const VOLUME: &str = "DDdjgk-ttL1-Al23-EcLT-ENDa-j7Ts-oq3PZ2";
const ONE: &str = "mUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9";
const TWO: &str = "nUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9";

fn text() -> String {
    metadata("my-vg", GROUP, "store", VOLUME, &[(ONE, 3), (TWO, 5)])
}

fn read(text: &str) -> Result<PhysicalVolume, LvmError> {
    PhysicalVolume::read(&physical_volume(ONE, 1 << 30, Some(text)).as_slice())
}

fn volume(text: &str) -> Result<LogicalVolume, String> {
    let read = read(text).map_err(|error| error.to_string())?;
    read.group.unwrap().volume("store").map_err(|error| error.to_string())
}

#[test]
fn a_linear_volume_over_two_devices() {
    let found = read(&text()).unwrap();
    assert_eq!(found.uuid, ONE);
    let group = found.group.unwrap();
    assert_eq!((group.name.as_str(), group.sequence), ("my-vg", 2));
    assert_eq!(group.physical(), [(ONE, "/dev/old0"), (TWO, "/dev/old1")]);
    let LogicalVolume { uuid, extents, writable } = group.volume("store").unwrap();
    assert!(writable);
    assert_eq!(uuid, format!("LVM-{}{}", GROUP.replace('-', ""), VOLUME.replace('-', "")));
    let extent = |physical: &str, length| Extent { length, physical: physical.to_owned(), offset: 2048 };
    assert_eq!(extents, [extent(ONE, 3 * 2048), extent(TWO, 5 * 2048)]);
}

#[test]
fn a_device_may_have_no_metadata() {
    let found = PhysicalVolume::read(&physical_volume(TWO, 1 << 30, None).as_slice()).unwrap();
    assert_eq!((found.uuid.as_str(), found.group), (TWO, None));
}

#[test]
fn text_that_goes_round_the_end_of_its_area_is_read() {
    let (text, bytes) = (text(), physical_volume(ONE, 1 << 30, Some(&text())));
    let (area, size) = (4096, 512 << 10);
    // From 100 bytes before the end of the area, the rest behind its header.
    let mut around = bytes.clone();
    around[area + 512..].fill(0);
    around[area + size - 100..area + size].copy_from_slice(&text.as_bytes()[..100]);
    around[area + 512..area + 512 + text.len() - 100].copy_from_slice(&text.as_bytes()[100..]);
    around[area + 40..area + 48].copy_from_slice(&(size as u64 - 100).to_le_bytes());
    let sum = label::checksum(&[&around[area + 4..area + 512]]);
    around[area..area + 4].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(PhysicalVolume::read(&around.as_slice()).unwrap(), PhysicalVolume::read(&bytes.as_slice()).unwrap());
}

#[test]
fn what_is_not_linear_or_not_sound_is_refused_by_name() {
    for (from, to, wanted) in [
        ("type = \"striped\"", "type = \"raid1\"", "a segment of type \"raid1\""),
        ("stripe_count = 1", "stripe_count = 2", "a segment of type \"striped\""),
        ("\"RESIZEABLE\"", "\"EXPORTED\"", "EXPORTED"),
        ("max_lv = 0", "lock_type = \"sanlock\"", "sanlock"),
        ("\"VISIBLE\"", "\"LOCKED\"", "a volume below others, \"store\""),
        (
            "logical_volumes {",
            "logical_volumes { s { segment1 { origin = \"store\" } }",
            "a volume below others, \"store\"",
        ),
        ("store {", "other {", "it has other"),
        ("extent_count = 3", "extent_count = 4", "a segment behind its physical volume"),
        ("start_extent = 3", "start_extent = 2", "the segments of the volume"),
        ("segment_count = 2", "segment_count = 3", "the segments of the volume"),
        ("segment_count = 2", "segment_count = 4000000", "the segments of the volume"),
        ("extent_size = 2048", "extent_size = 0", "the size of an extent"),
        ("extent_size = 2048", "extent_size = 18446744073709551615", "the size of an extent"),
        ("pe_start = 2048", "pe_start = 18446744073709551615", "the segments of the volume"),
        ("my-vg {", "my/vg {", "the group's name"),
        ("seqno = 2", "seqno = -2", "no sequence number"),
        (VOLUME, "x", "the volume's identifier"),
        ("flags = []", "flags = [}", "their text"),
    ] {
        let changed = text().replacen(from, to, 1);
        assert_ne!(changed, text(), "{from}");
        let error = volume(&changed).unwrap_err();
        assert!(error.contains(wanted), "{to}: {error}");
    }
}

#[test]
fn who_may_write_is_said_by_group_and_volume() {
    let status = "[\"READ\", \"WRITE\", \"VISIBLE\"]";
    assert!(!volume(&text().replace(status, "[\"READ\", \"VISIBLE\"]")).unwrap().writable);
    assert!(!volume(&text().replace("\"RESIZEABLE\", \"READ\", \"WRITE\"", "\"READ\"")).unwrap().writable);
}

#[test]
fn checksums_are_compared() {
    for at in [512 + 40, 4096 + 60, 4096 + 512 + 30] {
        let mut bytes = physical_volume(ONE, 1 << 30, Some(&text()));
        bytes[at] ^= 1;
        assert!(PhysicalVolume::read(&bytes.as_slice()).is_err(), "byte {at}");
    }
}

#[test]
fn names_are_those_of_the_device_mapper() {
    for (text, mapped) in [("vg/lv", Some("vg-lv")), ("my-vg/a--b.c", Some("my--vg-a----b.c")), ("vg", None)] {
        assert_eq!(VolumeName::parse(text).map(|name| name.mapped()).as_deref(), mapped);
    }
    for bad in ["/lv", "vg/", "../lv", "vg/a b", "vg/a/b", "-vg/lv", "vg/..", "vg/\u{e4}"] {
        assert_eq!(VolumeName::parse(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_change_of_the_text_is_read(at in 0_usize..1200, change in "[0-9a-z\"{}=,\\[\\] -]{1,8}") {
        let mut text = text();
        let at = at.min(text.len());
        text.replace_range(at..(at + change.len()).min(text.len()), &change);
        let _ = volume(&text);
    }

    #[test]
    fn any_change_of_the_structures_is_read(at in 0_usize..5000, byte in any::<u8>()) {
        let mut bytes = physical_volume(ONE, 1 << 30, Some(&text()));
        bytes[at] = byte;
        // With sound checksums over them, as somebody hostile would make them.
        let sum = label::checksum(&[&bytes[4100..4608]]);
        bytes[4096..4100].copy_from_slice(&sum.to_le_bytes());
        let sum = label::checksum(&[&bytes[532..1024]]);
        bytes[528..532].copy_from_slice(&sum.to_le_bytes());
        if let Ok(PhysicalVolume { group: Some(group), .. }) = PhysicalVolume::read(&bytes.as_slice()) {
            let _ = group.volume("store");
        }
    }
}
