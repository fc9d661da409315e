//! Why a step failed, and what the reader can do about it.

use super::{List, OsText};
use std::{fmt, io};

/// Why a step failed, with the data a test or a reader needs.
#[derive(Debug)]
pub enum Cause {
    /// The kernel said no.
    Os(io::Error),
    /// A parameter's value is not one of its values.
    BadParam {
        /// The parameter's name as in cmdline-spec.md.
        key: &'static str,
        /// The value as typed.
        value: String,
        /// What is accepted.
        want: &'static str,
    },
    /// An `isolde.*` word that no row of the table has.
    UnknownParam {
        /// The word as typed.
        word: String,
    },
    /// A LUKS volume opened with no passphrase that was typed.
    WrongKey {
        /// The device, with what is on it.
        device: String,
        /// How many were typed.
        tries: usize,
    },
    /// A volume that cannot be opened by anybody here.
    NotOpened {
        /// What is wrong with it.
        why: String,
    },
    /// A volume lacks a part.
    Incomplete {
        /// The logical volume.
        volume: String,
        /// The identifiers of the physical volumes, each with where it was last.
        missing: Vec<String>,
    },
    /// Nothing on the command line names an image or a live medium.
    NothingAsked,
    /// Two things were asked for that exclude each other.
    Conflict {
        /// One, as typed.
        one: String,
        /// The other, as typed.
        other: String,
    },
    /// No device holds what was wanted within the time.
    NoStore {
        /// What was looked for, for example `a file system labelled "LIVE"`.
        wanted: String,
        /// Every device seen, with what is on it.
        seen: Vec<String>,
        /// The time that was spent, in whole seconds.
        waited: u64,
    },
    /// Somebody at the console did not want to wait any longer.
    Stopped {
        /// What was waited for.
        wanted: String,
    },
    /// The store is there, the file is not.
    NoSuchFile {
        /// The file, from the store's root.
        path: String,
        /// The store's device and label.
        store: String,
        /// Files of the same folder, a few of them.
        seen: Vec<String>,
    },
    /// A file system or device has no driver, neither in the kernel nor in the initramfs.
    NoDriver {
        /// The module or file system.
        name: String,
        /// Where modules were looked for.
        searched: String,
    },
    /// The file is not an image that can be booted.
    NotAnImage {
        /// What was found at its start.
        seen: String,
    },
    /// The file is shorter than the file system in it.
    Truncated {
        /// Bytes that the file system's own header needs.
        want: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// The checksum is another one.
    DigestMismatch {
        /// Where the wanted checksum stands.
        source: String,
        /// The wanted BLAKE3, in hexadecimal digits.
        want: String,
        /// The BLAKE3 of what is there.
        got: String,
    },
    /// The policy wants a checksum and there is none.
    NoChecksum {
        /// Where one was looked for.
        looked: Vec<String>,
    },
    /// A list of checksums, a manifest, a signature, a key or a hash tree that cannot be used.
    Unsound {
        /// Its path.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file is longer or shorter than the one that was sealed.
    WrongSize {
        /// Bytes by the manifest.
        want: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// The policy wants a signed manifest, and this is not in one.
    NotCovered {
        /// What is missing.
        why: String,
    },
    /// The kernel found a block of a sealed image that is not the one that was sealed.
    Corrupted {
        /// The image's path.
        image: String,
        /// What kind of block, and its number.
        block: String,
        /// Where in the image it is, in bytes; `None` for a block of the hash tree.
        at: Option<u64>,
    },
    /// The image holds no layout that any family knows.
    NoFamily {
        /// Names at the image's top.
        seen: Vec<String>,
    },
    /// The medium is known, and no live system.
    NotLive {
        /// What it is, with an article.
        what: &'static str,
        /// What its user can do.
        advice: &'static str,
    },
    /// There is no other init than this program.
    NoDelegate,
    /// The assembled root has no program that could be its init.
    NoInit {
        /// What was tried, in order.
        tried: Vec<String>,
    },
    /// The home directory that was asked for cannot be used.
    NoHome {
        /// Why not.
        why: String,
    },
    /// What was saved cannot be used.
    NoPersistence {
        /// Why not.
        why: String,
    },
    /// What was saved belongs to another image, and the boot is to stop then.
    OtherBase {
        /// That image.
        was: String,
        /// The one that boots.
        image: String,
    },
    /// More of something than is ever needed.
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// How many are accepted.
        limit: usize,
    },
    /// A value that the kernel's interface cannot hold.
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its length in bytes.
        got: usize,
        /// The longest that is possible, in bytes.
        limit: usize,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Os(error) => write!(f, "{}", OsText(error)),
            Cause::BadParam { key, value, want } => write!(f, "{key}={value}: wanted {want}"),
            Cause::UnknownParam { word } => write!(f, "{word}: wanted a parameter that cmdline-spec.md lists"),
            Cause::WrongKey { device, tries } => write!(f, "none of {tries} passphrases opens {device}"),
            Cause::NotOpened { why } => f.write_str(why),
            Cause::Incomplete { volume, missing } => {
                write!(f, "{volume} lacks its physical volume {}", List(missing, "of no name"))
            }
            Cause::NothingAsked => f.write_str("no parameter names an image or a live medium"),
            Cause::Conflict { one, other } => write!(f, "{one} and {other} exclude each other"),
            Cause::NoStore { wanted, seen, waited } => {
                write!(f, "no {wanted} after {waited} s; saw {}", List(seen, "no block device"))
            }
            Cause::Stopped { wanted } => write!(f, "stopped at the console, while waiting for a {wanted}"),
            Cause::NoSuchFile { path, store, seen } => {
                write!(f, "{store} has no file {path}; beside it: {}", List(seen, "nothing, the folder is not there"))
            }
            Cause::NoDriver { name, searched } => {
                write!(f, "no driver {name:?}: not in the kernel, not in {searched}")
            }
            Cause::NotAnImage { seen } => {
                write!(f, "wanted an ISO 9660, UDF, squashfs, erofs or ext4 image, saw {seen}")
            }
            Cause::Truncated { want, got } => {
                write!(f, "the file ends at byte {got}, its file system needs {want}: {} bytes are missing", want - got)
            }
            Cause::DigestMismatch { source, want, got } => {
                write!(f, "the file is not the one that {source} names: wanted BLAKE3 {want}, got {got}")
            }
            Cause::NoChecksum { looked } => {
                write!(f, "isolde.verify=require and no checksum; looked at {}", List(looked, "nothing"))
            }
            Cause::Unsound { file, why } => write!(f, "{file}: {why}"),
            Cause::WrongSize { want, got } => {
                write!(f, "the file is not the one that was sealed: wanted {want} bytes, got {got}")
            }
            Cause::NotCovered { why } => write!(f, "isolde.verify=signed and {why}"),
            Cause::Corrupted { image, block, at } => {
                write!(f, "{image}: {block} is not the one that was sealed")?;
                at.map_or(Ok(()), |at| write!(f, " (byte {at})"))
            }
            Cause::NoFamily { seen } => {
                write!(f, "no known live system in it; at its top: {}", List(seen, "nothing"))
            }
            Cause::NotLive { what, .. } => write!(f, "it is {what}, and no live system"),
            Cause::NoDelegate => f.write_str("the second initrd has replaced it"),
            Cause::NoInit { tried } => write!(f, "no init in the root; tried {}", List(tried, "nothing")),
            Cause::NoHome { why } | Cause::NoPersistence { why } => f.write_str(why),
            Cause::OtherBase { was, image } => {
                write!(f, "it was written over {was}, of which {image} is another one")
            }
            Cause::TooMany { what, got, limit } => write!(f, "{got} {what}, at most {limit} are used"),
            Cause::TooLong { what, got, limit } => write!(f, "{what} of {got} bytes, the kernel takes {limit}"),
        }
    }
}

impl Cause {
    /// What the reader can do, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Cause::Os(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                "the medium cannot be read: was it pulled out? plug it in and try again, or copy the image to another one"
            }
            Cause::Os(_) | Cause::Stopped { .. } | Cause::TooMany { .. } | Cause::TooLong { .. } => return None,
            Cause::BadParam { .. } | Cause::UnknownParam { .. } => {
                "correct the word in the boot menu; cmdline-spec.md lists every parameter"
            }
            Cause::WrongKey { .. } => {
                "the keyboard is a US one here; a key file in the initrd is named by isolde.luks-key="
            }
            Cause::NotOpened { .. } => "cmdline-spec.md, section 5, says which LUKS and LVM volumes can hold a store",
            Cause::Incomplete { .. } => "plug in the disk that it is on, or wait longer with isolde.wait=SECONDS",
            Cause::NothingAsked => "add isolde.image=/path/of/the.iso, or the words of the ISO's own menu",
            Cause::Conflict { .. } => "remove one of the two",
            Cause::NoStore { .. } => "plug it in, set isolde.store=UUID=…, or wait longer with isolde.wait=SECONDS",
            Cause::NoSuchFile { .. } => "the path counts from the root of its file system, without the mount point",
            Cause::NoDriver { .. } => {
                "bring it along: isolde mkinitrd --image ISO --for NAME; or use ext4 or vfat, which every initrd has"
            }
            Cause::NotAnImage { .. } => "copy the image again, or name another one with isolde.image=",
            Cause::Truncated { .. } => "the copy was cut short: copy or download the image again",
            Cause::DigestMismatch { .. } => "copy the image again; isolde.verify=off boots it unchecked",
            Cause::NoChecksum { .. } => "make one beside the image: b3sum NAME.iso > NAME.iso.b3",
            Cause::Unsound { .. } => "make it again, with b3sum or isolde seal, or boot with isolde.verify=off",
            Cause::WrongSize { .. } => "copy the file again, or seal the store again",
            Cause::NotCovered { .. } => "seal the store with a key whose public half is in the initrd; docs/trust.md",
            Cause::Corrupted { .. } => "the medium is failing, or somebody changed the file: copy it again",
            Cause::NoFamily { .. } => {
                "is it an installer or a data disk? rd.live.dir= and live-media-path= name a folder"
            }
            Cause::NotLive { advice, .. } => advice,
            Cause::NoDelegate => {
                "make the second initrd with isolde-mkinitrd --rdinit, and boot with rdinit=/isolde/init"
            }
            Cause::NoInit { .. } => "name it with init=, or check that the image is a whole system",
            Cause::NoPersistence { .. } => "isolde.persist=no boots without what was saved, which stays as it is",
            Cause::OtherBase { .. } => "isolde.persist-base=fork uses what was saved and leaves it as it is",
            Cause::NoHome { .. } => "isolde.home=no boots without a persistent home",
        })
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Cause::Os(error)
    }
}
