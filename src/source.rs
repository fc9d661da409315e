//! Where an image is: the file system that holds it, and the file.

use crate::op::Quoted;
use std::fmt;

/// How the store is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSpec {
    /// By the file system's UUID, as blkid prints it; letters' case does not count.
    Uuid(String),
    /// By the file system's label.
    Label(String),
    /// By the partition's UUID.
    PartUuid(String),
    /// By the partition's name (GPT).
    PartLabel(String),
    /// By its name below /dev.
    Device(String),
    /// By what is in it.
    Any,
}

impl fmt::Display for StoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreSpec::Uuid(id) => write!(f, "UUID={id}"),
            StoreSpec::Label(label) => write!(f, "LABEL={}", parsable(label)),
            StoreSpec::PartUuid(id) => write!(f, "PARTUUID={id}"),
            StoreSpec::PartLabel(label) => write!(f, "PARTLABEL={}", parsable(label)),
            StoreSpec::Device(name) => write!(f, "/dev/{name}"),
            StoreSpec::Any => f.write_str("any device"),
        }
    }
}

impl StoreSpec {
    /// `UUID=`, `LABEL=`, `PARTUUID=`, `PARTLABEL=`, or a node below /dev; `None` for anything else.
    pub fn parse(text: &str) -> Option<StoreSpec> {
        is_spec(text).then(|| spec(text))
    }

    /// A device node with the path of a file directly behind it: `/dev/sda1/isos/x.iso`. The path may be empty.
    pub fn parse_with_path(text: &str) -> Option<(StoreSpec, &str)> {
        let below_dev = text.strip_prefix("/dev/")?;
        // The device is one component below /dev, but deeper for the folders that hold links and mapped devices.
        let depth = match below_dev.split('/').next() {
            Some("disk") => 3,
            Some("mapper" | "md" | "block") => 2,
            _ => 1,
        };
        let cut = below_dev.match_indices('/').nth(depth - 1).map_or(below_dev.len(), |(at, _)| at);
        let (device, path) = below_dev.split_at(cut);
        (!device.is_empty()).then(|| (spec(&format!("/dev/{device}")), path))
    }
}

/// A directory that another machine shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// A virtual machine's host, by virtiofs; the tag.
    Virtiofs(String),
    /// The same by 9p.
    NineP(String),
    /// A server.
    Nfs {
        /// Its address, in numbers; one of IPv6 in brackets.
        server: String,
        /// The directory's path there.
        path: String,
    },
}

impl Share {
    /// `virtiofs:TAG`, `9p:TAG` or `nfs:ADDRESS:/PATH`.
    pub fn parse(text: &str) -> Option<Share> {
        let (kind, rest) = text.split_once(':')?;
        // A comma would be another option, and longer tags there are not (virtio_fs.h; 9pnet_virtio.c, by configuration).
        let tag = |most| {
            let harmless = |c: char| !c.is_control() && c != ',';
            (!rest.is_empty() && rest.len() <= most && rest.chars().all(harmless)).then(|| rest.to_owned())
        };
        match kind {
            "virtiofs" => tag(36).map(Share::Virtiofs),
            "9p" => tag(255).map(Share::NineP),
            "nfs" => {
                let end = if rest.starts_with('[') { rest.find(']')? + 1 } else { rest.find(':')? };
                let (server, path) = (rest.get(..end)?, rest.get(end..)?.strip_prefix(':')?);
                let numbers = server.bytes().all(|b| b.is_ascii_hexdigit() || b".:[]".contains(&b));
                let harmless = path.starts_with('/') && !path.contains(char::is_control);
                let (server, path) = (server.to_owned(), path.to_owned());
                (numbers && !server.is_empty() && harmless).then_some(Share::Nfs { server, path })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Virtiofs(tag) => write!(f, "virtiofs:{tag}"),
            Share::NineP(tag) => write!(f, "9p:{tag}"),
            Share::Nfs { server, path } => write!(f, "nfs:{server}:{path}"),
        }
    }
}

/// A label that [`StoreSpec::parse`] takes for itself.
fn parsable(label: &str) -> String {
    label.replace('\\', "\\x5c")
}

/// What is booted from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSpec {
    /// This file, by its path from the store's root.
    File(String),
    /// The store itself: an ISO written to the device as it is, or a CD.
    Medium,
}

impl fmt::Display for ImageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageSpec::File(path) => write!(f, "{}", Quoted(path)),
            ImageSpec::Medium => f.write_str("the medium itself"),
        }
    }
}

/// An image that words of a dialect name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The word that names it, as typed.
    pub word: String,
    /// Where it is.
    pub store: StoreSpec,
    /// What it is.
    pub image: ImageSpec,
}

impl Named {
    /// A file of a store; its path counts from the store's root with and without a leading slash.
    pub fn file(word: String, store: StoreSpec, path: &str) -> Named {
        Named { word, store, image: ImageSpec::File(format!("/{}", path.trim_start_matches('/'))) }
    }

    /// The file's path, where it is one.
    pub fn path(&self) -> Option<&str> {
        match &self.image {
            ImageSpec::File(path) => Some(path),
            ImageSpec::Medium => None,
        }
    }

    /// The medium itself.
    pub fn medium(word: String, store: StoreSpec) -> Named {
        Named { word, store, image: ImageSpec::Medium }
    }
}

/// Every way to begin one wants a name behind it.
fn is_spec(text: &str) -> bool {
    const BEGINNINGS: [&str; 9] = [
        "/dev/",
        "/dev/disk/by-uuid/",
        "/dev/disk/by-label/",
        "/dev/disk/by-partuuid/",
        "/dev/disk/by-partlabel/",
        "UUID=",
        "LABEL=",
        "PARTUUID=",
        "PARTLABEL=",
    ];
    BEGINNINGS.iter().any(|begin| text.starts_with(begin)) && !BEGINNINGS.contains(&text)
}

/// A device by identity or node. udev's links below /dev/disk are identities too; nothing makes those links here.
fn spec(text: &str) -> StoreSpec {
    let rest = |key: &str| text.strip_prefix(key).map(str::to_owned);
    let by = |key: &str| rest(key).map(|name| unescape(&name));
    None.or_else(|| rest("UUID=").or_else(|| by("/dev/disk/by-uuid/")).map(StoreSpec::Uuid))
        .or_else(|| by("LABEL=").or_else(|| by("/dev/disk/by-label/")).map(StoreSpec::Label))
        .or_else(|| rest("PARTUUID=").or_else(|| by("/dev/disk/by-partuuid/")).map(StoreSpec::PartUuid))
        .or_else(|| by("PARTLABEL=").or_else(|| by("/dev/disk/by-partlabel/")).map(StoreSpec::PartLabel))
        .unwrap_or_else(|| StoreSpec::Device(text.strip_prefix("/dev/").unwrap_or(text).to_owned()))
}

/// A name as udev writes it into a link: bytes other than these as `\x20` (udev's `util_replace_chars` and
/// `encode_devnode_name`). Never a slash, so a label from a disk cannot name another folder.
pub fn escape(name: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"#+-.:=@_".contains(b) || !b.is_ascii();
    let mut bytes = Vec::new();
    for byte in name.bytes() {
        if plain(&byte) {
            bytes.push(byte);
        } else {
            bytes.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The other way round. Also with two backslashes: GRUB writes one before each backslash of a kernel command line
/// (GRUB 2.06, grub-core/lib/cmdline.c).
fn unescape(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name;
    while let Some(at) = rest.find("\\x") {
        let (before, escape) = rest.split_at(at);
        let single = before.strip_suffix('\\').filter(|_| hex_digits(escape).is_some());
        bytes.extend_from_slice(single.unwrap_or(before).as_bytes());
        match hex_digits(escape) {
            Some(byte) => {
                bytes.push(byte);
                rest = escape.get(4..).unwrap_or_default();
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte of an escape.
fn hex_digits(escape: &str) -> Option<u8> {
    escape.get(2..4).and_then(|hex| u8::from_str_radix(hex, 16).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_an_escape_stays_as_it_is() {
        assert_eq!(unescape("a\\x2"), "a\\x2");
        assert_eq!(unescape("\\xzz\\x41"), "\\xzzA");
        assert_eq!(unescape("A\\\\x20B"), "A B", "as it comes through GRUB");
        assert_eq!(unescape("A\\\\xzz"), "A\\\\xzz");
    }

    #[test]
    fn a_share_is_a_tag_or_an_address_with_a_path() {
        for text in ["virtiofs:home", "9p:my home", "nfs:192.0.2.7:/srv/home", "nfs:[2001:db8::7]:/srv/a:b,c"] {
            assert_eq!(Share::parse(text).map(|share| share.to_string()), Some(text.to_owned()), "{text}");
        }
        for text in ["virtiofs:", "9p:a,trans=tcp", "nfs:server:/srv", "nfs:192.0.2.7:srv", "nfs::/srv", "nfs:[::1/srv"]
        {
            assert_eq!(Share::parse(text), None, "{text}");
        }
        assert_eq!(Share::parse(&format!("virtiofs:{}", "x".repeat(37))), None);
    }

    #[test]
    fn a_device_ends_where_its_path_begins() {
        let split = |text| StoreSpec::parse_with_path(text);
        assert_eq!(split("/dev/sda1/isos/x.iso"), Some((StoreSpec::Device("sda1".into()), "/isos/x.iso")));
        assert_eq!(split("/dev/disk/by-uuid/1-2/x.iso"), Some((StoreSpec::Uuid("1-2".into()), "/x.iso")));
        assert_eq!(split("/dev/mapper/vg-lv/x.iso"), Some((StoreSpec::Device("mapper/vg-lv".into()), "/x.iso")));
        assert_eq!(split("/dev/sda1"), Some((StoreSpec::Device("sda1".into()), "")));
        assert_eq!(split("/isos/x.iso"), None);
        assert_eq!(split("/dev//x.iso"), None);
        assert!(!is_spec("/dev/disk/by-uuid/") && is_spec("/dev/disk/by-uuid/1-2"));
    }

    proptest! {
        #[test]
        fn a_label_comes_back_from_its_link(label in "\\PC{0,20}") {
            let link = escape(&label);
            prop_assert!(!link.contains('/') && !link.contains(' '));
            prop_assert_eq!(unescape(&link), label);
        }
    }
}
