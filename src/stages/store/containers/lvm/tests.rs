//! Which metadata count, and which devices.

use super::*;
use crate::sys::record::containers::{metadata, physical_volume};

const GROUP: &str = "eGX4s2-62lj-Njbx-PGnJ-lmPO-2avV-C5m0f6";
const VOLUME: &str = "DDdjgk-ttL1-Al23-EcLT-ENDa-j7Ts-oq3PZ2";
const ONE: &str = "mUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9";
const TWO: &str = "nUNVSf-ah0x-bHzu-GUQk-76d0-Vptu-3p9lm9";

fn text(group_id: &str) -> String {
    metadata("vg", group_id, "store", VOLUME, &[(ONE, 3), (TWO, 5)])
}

fn volume(id: &str, text: Option<&str>) -> PhysicalVolume {
    PhysicalVolume::read(&physical_volume(id, 1 << 30, text).as_slice()).unwrap()
}

fn wanted() -> VolumeName {
    VolumeName::parse("vg/store").unwrap()
}

fn devices(known: &[Known<'_>]) -> std::result::Result<Option<Vec<(String, u64)>>, String> {
    let mapping = resolve(&wanted(), known).map_err(|error| error.to_string())?;
    Ok(mapping.map(|(mapping, _)| mapping.parts.into_iter().map(|part| (part.device, part.length)).collect()))
}

#[test]
fn the_newest_metadata_count_in_any_order() {
    let newer = text(GROUP).replace("seqno = 2", "seqno = 3").replace("extent_count = 3", "extent_count = 2");
    let newer = newer.replace("start_extent = 3", "start_extent = 2");
    let (old, new) = (volume(ONE, Some(&text(GROUP))), volume(TWO, Some(&newer)));
    let wanted = Ok(Some(vec![("/dev/sda".to_owned(), 4096), ("/dev/sdb".to_owned(), 10240)]));
    assert_eq!(devices(&[("sda", &old), ("sdb", &new)]), wanted);
    assert_eq!(devices(&[("sdb", &new), ("sda", &old)]), wanted);
    assert_eq!(devices(&[("sda", &old), ("sdb", &volume(TWO, None))]).unwrap().unwrap()[0].1, 6144);
}

#[test]
fn a_missing_device_is_named() {
    let error = devices(&[("sda", &volume(ONE, Some(&text(GROUP))))]).unwrap_err();
    assert_eq!(error, format!("without its physical volume {TWO}, last seen as /dev/old1"));
    assert_eq!(devices(&[("sdb", &volume(TWO, None))]), Ok(None));
    assert_eq!(devices(&[]), Ok(None));
}

#[test]
fn two_groups_of_one_name_are_not_guessed_at() {
    let (one, two) = (volume(ONE, Some(&text(GROUP))), volume(TWO, Some(&text(&GROUP.replace('e', "f")))));
    assert_eq!(devices(&[("sda", &one), ("sdb", &two)]), Err(LvmError::TwoGroups.to_string()));
}

#[test]
fn of_two_copies_the_first_device_is_taken() {
    let (one, two) = (volume(ONE, Some(&text(GROUP))), volume(TWO, None));
    let found = devices(&[("sdc", &two), ("sda", &one), ("sdb", &one)]).unwrap().unwrap();
    assert_eq!(found[0].0, "/dev/sda");
}
