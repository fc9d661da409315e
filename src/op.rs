//! Changes to the machine, as values that print themselves.
//!
//! A stage decides purely which operations are needed and then has them applied, so the log, the golden plans in
//! `tests/plans/` and the error texts are the same words.

mod ids;
mod mapping;
mod verity;

pub use ids::Ids;
pub use mapping::{Mapping, Part, SECTOR as MAP_SECTOR, Target};
pub use verity::Verity;

use rustix::mount::MountFlags;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the assembled root is mounted before the hand-off. Outside /run, because /run moves into it.
pub const NEW_ROOT: &str = "/isolde/root";
/// Where the store is mounted, before and after the hand-off.
pub const STORE: &str = "/run/isolde/store";

/// A path inside a tree. Symbolic links are followed inside that tree and cannot lead out of it, because trees come
/// from disks and images (`openat2(2)`, RESOLVE_IN_ROOT).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    within: PathBuf,
    path: PathBuf,
}

impl Place {
    /// A path of the initramfs.
    pub fn at(path: impl AsRef<Path>) -> Place {
        Place::within("/", path)
    }

    /// A path inside the tree that is mounted at `within`. A leading slash means that tree's root.
    pub fn within(within: impl AsRef<Path>, path: impl AsRef<Path>) -> Place {
        let path = path.as_ref();
        let path = path.strip_prefix("/").unwrap_or(path);
        Place { within: within.as_ref().to_path_buf(), path: path.to_path_buf() }
    }

    /// A path inside the new root.
    pub fn new_root(path: impl AsRef<Path>) -> Place {
        Place::within(NEW_ROOT, path)
    }

    /// A path inside the store.
    pub fn store(path: impl AsRef<Path>) -> Place {
        Place::within(STORE, path)
    }

    /// The tree that links cannot leave.
    pub fn tree(&self) -> &Path {
        &self.within
    }

    /// The path inside the tree, without a leading slash; empty for the tree itself.
    pub fn inner(&self) -> &Path {
        &self.path
    }

    /// A place below this one.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> Place {
        let name = name.as_ref();
        Place { within: self.within.clone(), path: self.path.join(name.strip_prefix("/").unwrap_or(name)) }
    }

    /// Tree and path together, as the initramfs sees them when no link is in the way.
    pub fn full(&self) -> PathBuf {
        if self.path.as_os_str().is_empty() { self.within.clone() } else { self.within.join(&self.path) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Quoted(&self.full().to_string_lossy()))
    }
}

/// One change. The text is that of the shell command that would do the same, where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// `mkdir -p`, mode 0755.
    MakeDir(Place),
    /// `mount(2)` of a device or a virtual file system.
    Mount {
        /// File system type as in /proc/filesystems.
        fstype: String,
        /// Device node, or a name for virtual file systems.
        source: String,
        /// Where; must exist.
        target: Place,
        /// Per-mount flags.
        flags: MountFlags,
        /// Options of the file system, comma separated.
        options: String,
    },
    /// `mount --bind`, then a remount with the flags where there are any.
    Bind {
        /// What; links are followed inside its tree.
        source: Place,
        /// Where; must exist.
        target: Place,
        /// Flags to add, for example nosuid.
        flags: MountFlags,
    },
    /// The same with the flags, and with owners that look like others; on disk they stay as they are.
    BindMapped {
        /// What; links are followed inside its tree.
        source: Place,
        /// Where; must exist.
        target: Place,
        /// Flags to add.
        flags: MountFlags,
        /// Whose files look like whose.
        ids: Ids,
    },
    /// `mount --move`.
    Move {
        /// A mount point.
        source: Place,
        /// Where; must exist.
        target: Place,
    },
    /// `umount`.
    Unmount(Place),
    /// `umount -l`: out of sight at once, gone when nobody uses it any more.
    Detach(Place),
    /// `ln -sfn`: replaces a file or link, never a directory.
    Symlink {
        /// The text of the link.
        to: String,
        /// Where.
        at: Place,
    },
    /// Writes a file anew, mode 0644.
    Write {
        /// Which file; its folder must exist.
        at: Place,
        /// What.
        text: String,
    },
    /// Writes a file of a persistent file system anew, after all that was written there before (`syncfs(2)`, `rename(2)`).
    Save {
        /// Which file; its folder must exist.
        at: Place,
        /// What.
        text: String,
    },
    /// `fallocate -l`: a file that is at least so long, with its room where the file system can promise it; it is made where
    /// it is not there.
    Allocate {
        /// Which file; its folder must exist.
        at: Place,
        /// Bytes.
        size: u64,
    },
    /// `mv -n`, on one file system: nothing is replaced.
    Rename {
        /// What.
        from: Place,
        /// Its new name.
        to: Place,
    },
    /// `resize2fs`: the mounted ext4 takes all of its device.
    GrowFileSystem(Place),
    /// `rm -rf`; links are not followed. What is not there is no error.
    Delete(Place),
    /// Moves an overlay's upper layer into the one below it, which is beside it on the same file system. The first is gone
    /// afterwards. Neither may be in use.
    Merge {
        /// The upper one.
        from: Place,
        /// The lower one.
        into: Place,
    },
    /// `chcon --reference`: the SELinux label of a directory, where it has one.
    CopyLabel {
        /// Whose.
        from: Place,
        /// For which.
        to: Place,
    },
    /// `mount -o remount,ro`.
    ReadOnly(Place),
    /// `mount -o remount,rw`.
    Writable(Place),
    /// `losetup -d`.
    DetachLoop(String),
    /// A copy of this program, which can be executed.
    InstallSelf(Place),
    /// `blockdev --setro` or `--setrw`: whether the kernel lets anything be written to the device.
    SetReadOnly {
        /// Device node.
        device: String,
        /// Nothing may be written.
        read_only: bool,
    },
    /// `chown UID:GID`, `chmod MODE`; links are not followed.
    Own {
        /// Which file or directory.
        at: Place,
        /// Permission bits.
        mode: u32,
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
    /// `dmsetup create`: makes a device of parts of others. No key is ever printed.
    Map(Mapping),
    /// `dmsetup load` and `resume`: gives a device of that name another table. Nothing of it may be mounted.
    Remap(Mapping),
    /// `dmsetup remove`.
    Unmap(String),
    /// `dmsetup remove --deferred`: it goes away after its last user, as a loop device with autoclear does.
    Release(String),
    /// Deletes the initramfs to free its memory, in the background. Only as process 1, only on a ramfs or tmpfs, never
    /// across mounts.
    EmptyInitramfs,
    /// `pivot_root`: a folder becomes the root of every process whose root is the present one, which is below it then.
    PivotRoot {
        /// The folder, a mount point.
        new: &'static str,
        /// Where the present root will be, below the folder.
        old: &'static str,
    },
    /// Swap space of that many bytes in compressed memory, on a new device. Nobody can switch it off.
    ZramSwap(u64),
    /// Makes the new root the root: `chdir`, `mount --move . /`, `chroot .`, as switch_root(8) does.
    SwitchRoot,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::MakeDir(at) => write!(f, "mkdir {at}"),
            Op::Mount { fstype, source, target, flags, options } => {
                write!(f, "mount -t {fstype}{} {} {target}", Options(*flags, options), Quoted(source))
            }
            Op::Bind { source, target, flags } => {
                write!(f, "mount --bind{} {source} {target}", Options(*flags, ""))
            }
            Op::BindMapped { source, target, flags, ids } => {
                write!(f, "mount --bind{} {source} {target}", Options(*flags, &ids.to_string()))
            }
            Op::Move { source, target } => write!(f, "mount --move {source} {target}"),
            Op::Unmount(at) => write!(f, "umount {at}"),
            Op::Detach(at) => write!(f, "umount -l {at}"),
            Op::Save { at, text } => write!(f, "save {at} ({} bytes)", text.len()),
            Op::Allocate { at, size } => write!(f, "fallocate -l {size} {at}"),
            Op::Rename { from, to } => write!(f, "mv -n {from} {to}"),
            Op::GrowFileSystem(at) => write!(f, "resize2fs {at}"),
            Op::Delete(at) => write!(f, "rm -rf {at}"),
            Op::Merge { from, into } => write!(f, "merge {from} into {into}"),
            Op::CopyLabel { from, to } => write!(f, "chcon --reference={from} {to}"),
            Op::ReadOnly(at) => write!(f, "mount -o remount,ro {at}"),
            Op::Writable(at) => write!(f, "mount -o remount,rw {at}"),
            Op::DetachLoop(device) => write!(f, "losetup -d {device}"),
            Op::InstallSelf(at) => write!(f, "install -m 755 /proc/self/exe {at}"),
            Op::SetReadOnly { device, read_only: true } => write!(f, "blockdev --setro {device}"),
            Op::SetReadOnly { device, read_only: false } => write!(f, "blockdev --setrw {device}"),
            Op::Own { at, mode, uid, gid } => write!(f, "own {uid}:{gid} mode {mode:o} {at}"),
            Op::Symlink { to, at } => write!(f, "ln -s {} {at}", Quoted(to)),
            Op::Write { at, text } => write!(f, "write {at} ({} bytes)", text.len()),
            Op::Map(mapping) => write!(f, "dmsetup create {mapping}"),
            Op::Remap(mapping) => write!(f, "dmsetup load {mapping}"),
            Op::Unmap(name) => write!(f, "dmsetup remove {}", Quoted(name)),
            Op::Release(name) => write!(f, "dmsetup remove --deferred {}", Quoted(name)),
            Op::EmptyInitramfs => f.write_str("empty the initramfs"),
            Op::PivotRoot { new, old } => write!(f, "pivot_root {new} {old}"),
            Op::ZramSwap(size) => write!(f, "swapon zram ({size} bytes)"),
            Op::SwitchRoot => write!(f, "switch_root {NEW_ROOT}"),
        }
    }
}

/// A mount of an image file: attached to a loop device (read-only unless `writable`, autoclear) and mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageMount {
    /// The file's name, for the log.
    pub name: String,
    /// File system type as in /proc/filesystems.
    pub fstype: String,
    /// Where; must exist.
    pub target: Place,
    /// Per-mount flags.
    pub flags: MountFlags,
    /// Options of the file system.
    pub options: String,
}

impl ImageMount {
    /// A read-only image at a place of the initramfs. No device nodes and no set-uid programs count in it when it is
    /// only a container, so `flags` is the caller's to extend.
    pub fn read_only(name: &str, fstype: &str, target: Place) -> ImageMount {
        let (name, fstype) = (name.to_owned(), fstype.to_owned());
        ImageMount { name, fstype, target, flags: MountFlags::RDONLY, options: String::new() }
    }

    /// Whether the loop device takes writes.
    pub fn is_writable(&self) -> bool {
        !self.flags.contains(MountFlags::RDONLY)
    }
}

impl fmt::Display for ImageMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = if self.options.is_empty() { "loop".to_owned() } else { format!("loop,{}", self.options) };
        let (fstype, flags) = (&self.fstype, Options(self.flags, &options));
        write!(f, "mount -t {fstype}{flags} {} {}", Quoted(&self.name), self.target)
    }
}

/// A program to run inside a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its root: the new root, or `/` for the initramfs.
    pub root: String,
    /// Its path as seen in that root.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables beside `PATH`, `HOME` and `TERM`.
    pub environment: Vec<(String, String)>,
    /// How long it may take before it and its process group are killed.
    pub limit: std::time::Duration,
}

impl Program {
    /// A program of the new root, without arguments.
    pub fn in_new_root(path: &str, limit: std::time::Duration) -> Program {
        let (root, path) = (NEW_ROOT.to_owned(), path.into());
        Program { root, path, arguments: Vec::new(), environment: Vec::new(), limit }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chroot {} {}", self.root, Quoted(&self.path.to_string_lossy()))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", Quoted(argument)))
    }
}

/// `-o ro,nosuid,…`, or nothing.
struct Options<'a>(MountFlags, &'a str);

impl fmt::Display for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (MountFlags::RDONLY, "ro"),
            (MountFlags::NOSUID, "nosuid"),
            (MountFlags::NODEV, "nodev"),
            (MountFlags::NOEXEC, "noexec"),
            (MountFlags::NOATIME, "noatime"),
        ];
        let flags = names.iter().filter(|(flag, _)| self.0.contains(*flag)).map(|(_, name)| *name);
        let all: Vec<&str> = flags.chain(Some(self.1).filter(|rest| !rest.is_empty())).collect();
        if all.is_empty() { Ok(()) } else { write!(f, " -o {}", all.join(",")) }
    }
}

/// A word as a shell would need it: in quotes when it holds white space, quotes or control characters.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = !self.0.is_empty() && !self.0.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"');
        if plain { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_prints_as_the_command_that_does_the_same() {
        let op = Op::Mount {
            fstype: "vfat".into(),
            source: "/dev/sdb1".into(),
            target: Place::at(STORE),
            flags: MountFlags::RDONLY | MountFlags::NODEV,
            options: "utf8".into(),
        };
        assert_eq!(op.to_string(), "mount -t vfat -o ro,nodev,utf8 /dev/sdb1 /run/isolde/store");
        let bind =
            Op::Bind { source: Place::store("my home"), target: Place::new_root("/home"), flags: MountFlags::empty() };
        assert_eq!(bind.to_string(), "mount --bind \"/run/isolde/store/my home\" /isolde/root/home");
    }

    #[test]
    fn a_control_character_from_a_disk_cannot_forge_a_log_line() {
        let op = Op::MakeDir(Place::at("/a\nisolde: fine"));
        assert!(!op.to_string().contains('\n'));
    }

    #[test]
    fn a_leading_slash_stays_inside_the_tree() {
        assert_eq!(Place::store("/boot").full(), Path::new("/run/isolde/store/boot"));
        assert_eq!(Place::store("boot").join("/etc").full(), Path::new("/run/isolde/store/boot/etc"));
        assert_eq!(Place::at("/").full(), Path::new("/"));
    }
}
