//! The block devices that are there, what is on them, and which of them fit. Superblocks are read here, not mounted.

use crate::error::Result;
use crate::formats::partitions::{Partition, partitions};
use crate::formats::superblock::{Format, Superblock, probe};
use crate::machine::Machine;
use crate::op::Place;
use crate::source::StoreSpec;
use crate::sys::{BlockDevice, Bus, Sys};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The kernel counts in these, whatever the disk's own sectors are.
const SECTOR: u64 = 512;

/// A block device and what its first blocks say.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) device: BlockDevice,
    superblock: Option<Superblock>,
    partition: Option<Partition>,
}

impl Candidate {
    /// The file system's format, when it is one that we know.
    pub(super) fn format(&self) -> Option<Format> {
        self.superblock.as_ref().map(|superblock| superblock.format)
    }

    /// Not unmounted by who used it last.
    pub(super) fn is_dirty(&self) -> bool {
        self.superblock.as_ref().is_some_and(|superblock| superblock.dirty)
    }

    /// `/dev/sda1 vfat "EFI" (200 MiB, usb)`
    pub(super) fn describe(&self) -> String {
        let name = format!("/dev/{}", self.device.name);
        let bus = self.device.bus.name().map_or(String::new(), |bus| format!(", {bus}"));
        let size = format!("({} MiB{bus})", self.device.size >> 20);
        match &self.superblock {
            Some(Superblock { format, label: Some(label), .. }) => format!("{name} {} {label:?} {size}", format.name()),
            Some(Superblock { format, .. }) => format!("{name} {} {size}", format.name()),
            None => format!("{name} without a known file system {size}"),
        }
    }

    /// `mapper/NAME`: the links that udev would make are not there.
    fn mapped_as(&self, name: &str) -> bool {
        self.device.mapped.as_deref().is_some_and(|mapped| name.strip_prefix("mapper/") == Some(mapped))
    }

    fn fits(&self, spec: &StoreSpec) -> bool {
        let superblock = self.superblock.as_ref();
        let partition = self.partition.as_ref();
        match spec {
            StoreSpec::Uuid(id) => same_id(superblock.and_then(|s| s.uuid.as_deref()), id),
            StoreSpec::Label(label) => superblock.and_then(|s| s.label.as_ref()) == Some(label),
            StoreSpec::PartUuid(id) => same_id(partition.and_then(|p| p.uuid.as_deref()), id),
            StoreSpec::PartLabel(label) => partition.and_then(|p| p.label.as_ref()) == Some(label),
            StoreSpec::Device(name) => self.device.name == *name || self.mapped_as(name),
            StoreSpec::Any => superblock.is_some(),
        }
    }
}

fn same_id(have: Option<&str>, want: &str) -> bool {
    have.is_some_and(|have| have.eq_ignore_ascii_case(want))
}

/// Those that fit, in the order of cmdline-spec.md, "Which store": removable devices first, then what is loaded first and
/// answers at once, partitions before the disk that they are on, then by name. The order in which they arrived does not
/// count. Pure.
pub(super) fn choose<'a>(spec: &StoreSpec, all: impl IntoIterator<Item = &'a Candidate>) -> Vec<&'a Candidate> {
    let mut fitting: Vec<&Candidate> = all.into_iter().filter(|candidate| candidate.fits(spec)).collect();
    fitting.sort_unstable_by_key(|candidate| {
        let device = &candidate.device;
        let partition = Reverse(device.partition.is_some());
        let slow = !matches!(device.bus, Bus::Nvme | Bus::Virtio | Bus::Mmc);
        (Reverse(device.removable), slow && !device.removable, partition, device.name.len(), device.name.clone())
    });
    fitting
}

/// All that is there now, each read once.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    known: BTreeMap<String, Candidate>,
}

impl Candidates {
    pub(super) fn all(&self) -> impl Iterator<Item = &Candidate> {
        self.known.values()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// Whether it is this very device that has the name.
    pub(super) fn holds(&self, device: &BlockDevice) -> bool {
        self.known.get(&device.name).is_some_and(|known| known.device == *device)
    }

    /// Every device that a person would recognise.
    pub(super) fn describe(&self) -> Vec<String> {
        self.all().map(Candidate::describe).collect()
    }

    /// Reads what is new and forgets what is gone.
    pub(super) fn refresh<S: Sys>(&mut self, machine: &mut Machine<S>, spec: &StoreSpec) -> Result<()> {
        let devices = machine.sys().block_devices().map_err(|e| machine.os("list the block devices", e))?;
        let mut tables = BTreeMap::new();
        let mut now = BTreeMap::new();
        for device in devices {
            let known = self.known.remove(&device.name).filter(|known| known.device == device);
            let candidate = match known {
                Some(known) => known,
                None => read(machine, device, spec, &mut tables),
            };
            now.insert(candidate.device.name.clone(), candidate);
        }
        self.known = now;
        Ok(())
    }
}

/// A device that cannot be read is still listed: the person may recognise it.
fn read<S: Sys>(
    machine: &mut Machine<S>,
    device: BlockDevice,
    spec: &StoreSpec,
    tables: &mut BTreeMap<String, Vec<Partition>>,
) -> Candidate {
    let at = Place::at(format!("/dev/{}", device.name));
    let superblock = match machine.sys().open(&at).and_then(|file| probe(&file)) {
        Ok(superblock) => superblock,
        Err(error) => {
            machine.debug(&format!("read {at}: {error}"));
            None
        }
    };
    // A partition table is read only when somebody asks for what stands in it.
    let asked = matches!(spec, StoreSpec::PartUuid(_) | StoreSpec::PartLabel(_));
    let partition = match (&device.disk, device.partition) {
        (Some(disk), Some(number)) if asked => {
            let table = tables.entry(disk.clone()).or_insert_with(|| table(machine, disk));
            table.iter().find(|partition| partition.number == number).cloned()
        }
        _ => None,
    };
    Candidate { device, superblock, partition }
}

fn table<S: Sys>(machine: &mut Machine<S>, disk: &str) -> Vec<Partition> {
    let at = Place::at(format!("/dev/{disk}"));
    let sector = machine.sys().logical_block_size(disk).unwrap_or(SECTOR);
    match machine.sys().open(&at).and_then(|file| partitions(&file, sector)) {
        Ok(table) => table,
        Err(error) => {
            machine.debug(&format!("read the partition table of {at}: {error}"));
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(name: &str, removable: bool, label: Option<&str>) -> Candidate {
        let partition = name.find(|c: char| c.is_ascii_digit()).map(|_| 1);
        let bus = if removable { Bus::Usb } else { Bus::Ata };
        let name = name.to_owned();
        let device =
            BlockDevice { name, disk: None, partition, sequence: None, size: 1 << 20, removable, bus, mapped: None };
        let superblock = label.map(|l| Superblock {
            format: Format::Ext4,
            uuid: Some("AB-CD".into()),
            label: Some(l.into()),
            size: None,
            dirty: false,
        });
        Candidate { device, superblock, partition: None }
    }

    #[test]
    fn removable_then_partitions_then_names() {
        let all = [
            candidate("sda1", false, Some("L")),
            candidate("sdb", true, Some("L")),
            candidate("sdb1", true, Some("L")),
            candidate("sdaa1", false, Some("L")),
            candidate("sdc1", true, None),
        ];
        let names = |spec: StoreSpec| choose(&spec, &all).iter().map(|c| c.device.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(StoreSpec::Label("L".into())), ["sdb1", "sdb", "sda1", "sdaa1"]);
        assert_eq!(names(StoreSpec::Device("sdc1".into())), ["sdc1"]);
        assert_eq!(names(StoreSpec::Uuid("ab-cd".into())).len(), 4, "letters' case does not count");
    }

    proptest! {
        #[test]
        fn the_choice_does_not_depend_on_the_order_of_arrival(
            mut all in prop::collection::vec(("sd[a-z][1-9]?", any::<bool>(), any::<bool>()), 0..8),
            turn in 0usize..8,
        ) {
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all.dedup_by(|a, b| a.0 == b.0);
            let devices: Vec<Candidate> =
                all.iter().map(|(name, removable, fits)| candidate(name, *removable, fits.then_some("L"))).collect();
            let mut turned = devices.clone();
            if !turned.is_empty() {
                let middle = turn % turned.len();
                turned.rotate_left(middle);
            }
            let names = |all: &[Candidate]| {
                choose(&StoreSpec::Label("L".into()), all).iter().map(|c| c.device.name.clone()).collect::<Vec<_>>()
            };
            prop_assert_eq!(names(&devices), names(&turned));
        }
    }
}
