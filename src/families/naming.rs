//! Words that name a device, or a device and a file apart, as several families read them.

use crate::source::{Named, StoreSpec};
use crate::words::Words;

/// A word, and what makes a device's name of its value: nothing, or the folder of udev's links.
pub type DeviceWord = (&'static str, &'static str);

/// Before a label. Its initrds put the value behind the folder as it is, so it is escaped as udev escapes it.
pub const BY_LABEL: &str = "/dev/disk/by-label/";
/// Before a UUID.
pub const BY_UUID: &str = "/dev/disk/by-uuid/";

/// The file that the word `path` names, on the device that the first of the other words names; on any without one.
/// Something that is no local device, an NFS server for example, names no file.
pub fn file_on(words: &Words, devices: &[DeviceWord], path: &str) -> Option<Named> {
    let file = words.get(path)?;
    let store = match devices.iter().find(|(name, _)| words.get(name).is_some()) {
        Some(word) => device(words, *word)?,
        None => StoreSpec::Any,
    };
    Some(Named::file(format!("{path}={file}"), store, file))
}

/// `DEVICE:/PATH` in one word.
pub fn file_behind(word: &str, text: &str) -> Option<Named> {
    let (device, path) = text.split_once(":/")?;
    Some(Named::file(format!("{word}={text}"), StoreSpec::parse(device)?, path))
}

/// The media that words name by a device.
pub fn media(words: &Words, devices: &[DeviceWord]) -> Vec<Named> {
    let named = |(name, prefix): &DeviceWord| {
        let store = device(words, (name, prefix))?;
        Some(Named::medium(format!("{name}={}", words.get(name)?), store))
    };
    devices.iter().filter_map(named).collect()
}

fn device(words: &Words, (name, prefix): DeviceWord) -> Option<StoreSpec> {
    StoreSpec::parse(&format!("{prefix}{}", words.get(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::testing::words;

    const DEVICES: &[DeviceWord] = &[("img_dev", ""), ("img_label", BY_LABEL)];

    #[test]
    fn the_device_is_named_in_every_form() {
        for (line, store) in [
            ("img_loop=/x.iso img_dev=/dev/sdb1", StoreSpec::Device("sdb1".into())),
            ("img_loop=/x.iso img_dev=/dev/disk/by-uuid/1501-DE00", StoreSpec::Uuid("1501-DE00".into())),
            ("img_loop=/x.iso img_dev=PARTUUID=ab-01", StoreSpec::PartUuid("ab-01".into())),
            ("img_loop=/x.iso img_label=MY\\x20STICK", StoreSpec::Label("MY STICK".into())),
            ("img_loop=/x.iso img_label=A img_dev=LABEL=B", StoreSpec::Label("B".into())),
            ("img_loop=/x.iso img_dev=", StoreSpec::Any),
            ("img_loop=x.iso", StoreSpec::Any),
        ] {
            let named = file_on(&words(line), DEVICES, "img_loop").unwrap();
            assert_eq!((named.store.clone(), named.path()), (store, Some("/x.iso")), "{line}");
        }
    }

    #[test]
    fn what_is_no_local_device_names_nothing() {
        for line in
            ["img_loop=/x.iso img_dev=nfs:192.168.1.2:/isos", "img_dev=/dev/sda1", "img_loop= img_dev=/dev/sda1"]
        {
            assert_eq!(file_on(&words(line), DEVICES, "img_loop"), None, "{line}");
        }
        for text in ["/x.iso", "nfs:192.168.1.2:/x.iso", "/dev/sda1/x.iso", "", ":/", ":/x.iso"] {
            assert_eq!(file_behind("isofrom", text), None, "{text}");
        }
        assert_eq!(media(&words("img_dev=any img_label="), DEVICES), []);
    }

    #[test]
    fn a_colon_separates_device_and_path() {
        let named = file_behind("isofrom", "/dev/disk/by-uuid/1501-DE00:/isos/a:b.iso").unwrap();
        assert_eq!((named.store.clone(), named.path()), (StoreSpec::Uuid("1501-DE00".into()), Some("/isos/a:b.iso")));
    }
}
