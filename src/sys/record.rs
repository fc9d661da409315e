//! A fake kernel: for tests of the whole boot, and to say on another machine what a boot would do.
//!
//! Takes   a [`World`]: the initramfs, the command line, what is plugged in and when, and what modules and programs do.
//!         File systems can be files of the host, which are read where they are: `isolde plan` boots a machine like that.
//! Gives   [`Record`], a [`Sys`] that keeps every change as a line of text, advances a clock of its own, and refuses what
//!         the kernel refuses. A plan that only a recorder would accept (/run moved below /run) does not pass here.
//! Leaves  the machine that the test runs on alone.
//! Fails   at the change that the test names, by number or by its text, with the errno that it names.
//!
//! Not faked: permissions, propagation between mount namespaces, and the limits of memory.

mod calls;
pub mod containers;
mod devices;
mod files;
mod journal;
mod mapped;
mod mounts;
mod paths;
mod sealed;
mod superblock;
mod table;
mod tree;
mod world;

pub use journal::{Journal, Line};
pub use mounts::Mounted;
pub use tree::{Content, File, Medium, Outside, Tree};
pub use world::{Arrival, Arrives, Behaviour, Module, Told, World};

use super::Halt;
#[cfg(doc)]
use super::Sys;
use crate::op::{ImageMount, Mapping, Op, Place};
use devices::Devices;
use mounts::{Namespace, System};
use paths::{Found, Last};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use sealed::Sealed;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tree::{Generated, Node};

/// File systems that no mount makes writable.
const READ_ONLY: [&str; 4] = ["iso9660", "udf", "squashfs", "erofs"];

/// How a boot came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Another program runs.
    Exec,
    /// The machine stopped.
    Halted(Halt),
    /// It waits for somebody to switch it off.
    Waiting,
}

/// A change that fails.
#[derive(Clone, Debug)]
enum Failure {
    Nth(usize),
    Containing(String),
    FirstContaining(String),
}

/// See the module's own text.
#[derive(Debug)]
pub struct Record {
    space: Namespace,
    devices: Devices,
    journal: Journal,
    world: World,
    failures: Vec<(Failure, Errno)>,
    changes: usize,
    /// File systems of devices, by device, so that what was written is there after the next mount.
    on_devices: BTreeMap<String, usize>,
    devtmpfs: usize,
    loops: usize,
    /// What is behind each loop device: its file system and its file.
    attached: BTreeMap<String, (usize, Arc<Content>)>,
    /// The file system at /sys.
    sysfs: Option<usize>,
    /// Block devices that take no writes.
    protected: BTreeSet<String>,
    /// Mapped devices, by device.
    mapped: BTreeMap<String, Mapping>,
    maps: usize,
    /// Names of the files below mapped devices, by the device.
    files_below: BTreeMap<String, Vec<String>>,
    /// Those of them that compare blocks.
    sealed: BTreeMap<String, Sealed>,
    /// Names of mapped devices that go away after their last user.
    released: BTreeSet<String>,
    ending: Option<Ending>,
    at_end: Option<fn(&Record, Ending)>,
}

impl Record {
    /// The machine as the kernel starts process 1.
    pub fn new(world: &World) -> Record {
        let mut space = Namespace::new(world.initramfs.clone());
        let system = |fstype: &str| (fstype.to_owned(), fstype.to_owned());
        let (fstype, source) = system("devtmpfs");
        let tree = Tree::new().with("console", Node::Other).with("null", Node::Other);
        let devtmpfs = space.add_system(System { fstype, source, tree, read_only: false, options: String::new() });
        let mut record = Record {
            space,
            devices: Devices::new(world),
            journal: Journal::default(),
            world: world.clone(),
            failures: Vec::new(),
            changes: 0,
            on_devices: BTreeMap::new(),
            devtmpfs,
            loops: 0,
            attached: BTreeMap::new(),
            sysfs: None,
            protected: BTreeSet::new(),
            mapped: BTreeMap::new(),
            maps: 0,
            files_below: BTreeMap::new(),
            sealed: BTreeMap::new(),
            released: BTreeSet::new(),
            ending: None,
            at_end: None,
        };
        record.make_nodes();
        record
    }

    /// The change of this number, counted from 0, fails.
    pub fn fail_at(&mut self, number: usize, errno: Errno) {
        self.failures.push((Failure::Nth(number), errno));
    }

    /// Every change whose text contains this fails.
    pub fn fail_when(&mut self, text: &str, errno: Errno) {
        self.failures.push((Failure::Containing(text.to_owned()), errno));
    }

    /// The next change whose text contains this fails; later ones do not.
    pub fn fail_once(&mut self, text: &str, errno: Errno) {
        self.failures.push((Failure::FirstContaining(text.to_owned()), errno));
    }

    /// Called where the boot or the emergency would not return: after exec, after halt, and in a wait without end. It
    /// has to unwind; when it returns, exec and halt give an error.
    pub fn at_end(&mut self, hook: fn(&Record, Ending)) {
        self.at_end = Some(hook);
    }

    /// How the boot ended, when it did.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// What was looked for in the initramfs and is not there, links followed as far as they lead.
    pub fn missed(&self) -> Vec<PathBuf> {
        self.space.missed.borrow().iter().cloned().collect()
    }

    /// What was done so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What systemd-shutdown does before it executes the way out: /run/initramfs becomes the root, the old one is at /oldroot
    /// (src/shared/switch-root.c).
    ///
    /// # Errors
    /// When that folder is not there.
    pub fn pivot(&mut self) -> io::Result<()> {
        self.space.pivot("/run/initramfs", "oldroot", &["proc", "sys", "dev", "run"])
    }

    /// What is mounted now.
    pub fn mounted(&self) -> Vec<Mounted> {
        self.space.mounted()
    }

    /// What the file system on a device holds now, if it was ever mounted.
    pub fn on_device(&self, name: &str) -> Option<Tree> {
        Some(self.space.system(*self.on_devices.get(name)?)?.tree.clone())
    }

    /// The text of a link, where one stands.
    pub fn link(&self, at: &Place) -> Option<PathBuf> {
        let Ok(Found::There(there)) = self.space.look_up(at, Last::Keep) else { return None };
        match self.space.node(&there) {
            Some(Node::Link(to)) => Some(to.clone()),
            _ => None,
        }
    }

    /// Does one change, or fails as asked for, and writes it down.
    fn change<T>(&mut self, text: String, act: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let number = self.changes;
        self.changes += 1;
        let asked = self.failures.iter().position(|(failure, _)| match failure {
            Failure::Nth(n) => *n == number,
            Failure::Containing(part) | Failure::FirstContaining(part) => text.contains(part),
        });
        let asked = asked.and_then(|at| match self.failures.get(at) {
            Some((Failure::FirstContaining(_), _)) => Some(self.failures.remove(at).1),
            Some((_, errno)) => Some(*errno),
            None => None,
        });
        let done = match asked {
            Some(errno) => Err(errno.into()),
            None => act(self),
        };
        self.journal.change(text, &done);
        done
    }

    fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
        if let Some(hook) = self.at_end {
            hook(self, ending);
        }
    }

    /// Time passed: /dev shows what is plugged in.
    fn make_nodes(&mut self) {
        let plugged: Vec<String> = self.devices.plugged.keys().chain(self.attached.keys()).cloned().collect();
        self.on_devices.retain(|name, _| plugged.contains(name));
        self.protected.retain(|name| plugged.contains(name));
        let Some(dev) = self.space.system_mut(self.devtmpfs) else { return };
        let is_node = |(path, node): (&PathBuf, &Node)| matches!(node, Node::Block(_)).then(|| path.clone());
        let nodes: Vec<PathBuf> = dev.tree.nodes().filter_map(is_node).collect();
        dev.tree.retain(|path| nodes.iter().all(|node| node != path));
        for name in plugged {
            dev.tree.insert(&name, Node::Block(name.clone()));
        }
        if self.devices.knows("loop") {
            dev.tree.insert("loop-control", Node::Other);
        }
    }

    /// /sys/module/NAME/initstate of what is loaded (kernel: Documentation/ABI/testing/sysfs-module), and where zram
    /// devices are made.
    fn show_modules(&mut self) {
        let loaded: Vec<String> = self.devices.loaded().map(str::to_owned).collect();
        let Some(sysfs) = self.sysfs.and_then(|system| self.space.system_mut(system)) else { return };
        let tree = std::mem::take(&mut sysfs.tree);
        let tree = loaded.iter().fold(tree, |tree, name| tree.file(&format!("module/{name}/initstate"), "live\n"));
        sysfs.tree = if self.devices.knows("zram") { tree.file("class/zram-control/hot_add", "1\n") } else { tree };
    }

    fn proc_tree(&self) -> Tree {
        Tree::new()
            .directory("self")
            .with("mounts", Node::Generated(Generated::Mounts))
            .with("filesystems", Node::Generated(Generated::FileSystems))
            .file("cmdline", format!("{}\n", self.world.cmdline).as_str())
            .file("meminfo", "MemTotal:        1024000 kB\nMemFree:          512000 kB\nMemAvailable:     800000 kB\n")
            .file("sys/kernel/random/boot_id", "6f5e9b5c-0e62-4c5c-8c0b-1f5d3a1f7a10\n")
            .file("net/route", self.world.routes.as_str())
            .file("sys/kernel/osrelease", format!("{}\n", self.world.release).as_str())
            .file("sys/kernel/modprobe", "/sbin/modprobe\n")
    }

    fn mount(&mut self, fstype: &str, source: &str, target: &Place, flags: MountFlags, data: &str) -> io::Result<()> {
        self.space.directory(target)?;
        if !self.devices.knows(fstype) {
            return Err(Errno::NODEV.into());
        }
        let (name, new) = (fstype.to_owned(), source.to_owned());
        let tree = match fstype {
            "devtmpfs" => return self.space.mount(self.devtmpfs, target, flags, None),
            "proc" => self.proc_tree(),
            "overlay" => self.space.overlay(data)?,
            "sysfs" | "tmpfs" | "ramfs" => Tree::new(),
            // ENOENT is what 9p says of a tag that it does not know; the others differ (fs/fuse/virtio_fs.c: EINVAL).
            "virtiofs" | "9p" | "nfs4" => self.world.shares.get(source).cloned().ok_or(Errno::NOENT)?,
            _ => return self.mount_device(fstype, source, target, flags, data),
        };
        let system = self.space.add_system(System {
            fstype: name,
            source: new,
            tree,
            read_only: false,
            options: data.to_owned(),
        });
        if fstype == "overlay" {
            self.space.hold_layers(system, data)?;
        }
        if fstype == "sysfs" {
            self.sysfs = Some(system);
            self.show_modules();
        }
        self.space.mount(system, target, flags, None)
    }

    fn mount_device(
        &mut self,
        fstype: &str,
        source: &str,
        target: &Place,
        flags: MountFlags,
        data: &str,
    ) -> io::Result<()> {
        let node = self.space.locate(&Place::at(source))?;
        let Some(Node::Block(name)) = self.space.node(&node) else { return Err(Errno::NOTBLK.into()) };
        let name = name.clone();
        let content = self.bytes_of(&name)?;
        let read_only = flags.contains(MountFlags::RDONLY) || READ_ONLY.contains(&fstype);
        if !read_only && (self.protected.contains(&name) || self.is_read_only(&name)) {
            return Err(Errno::ACCESS.into());
        }
        let system = match self.on_devices.get(&name).copied() {
            Some(system) => system,
            None => {
                self.compare_blocks(&name, fstype)?;
                let tree = self.tree_in(&content, fstype)?;
                let source = source.to_owned();
                let system = self.space.add_system(System {
                    fstype: fstype.to_owned(),
                    source,
                    tree,
                    read_only,
                    options: data.to_owned(),
                });
                self.on_devices.insert(name, system);
                system
            }
        };
        let mounted = self.space.is_mounted(system);
        let known = self.space.system_mut(system).ok_or(Errno::NXIO)?;
        if known.fstype != fstype {
            return Err(Errno::INVAL.into());
        }
        if mounted && known.read_only != read_only {
            return Err(Errno::BUSY.into()); // one superblock is one or the other
        }
        known.read_only = read_only;
        self.space.mount_by(source, system, target, flags)
    }

    /// A device that is used lets go after its last user, as all of them here do by themselves.
    fn detach_loop(&mut self, device: &str) -> io::Result<()> {
        let name = device.strip_prefix("/dev/").unwrap_or(device);
        self.attached.remove(name).map(drop).ok_or(Errno::NXIO.into())
    }

    fn zram_swap(&self) -> io::Result<()> {
        if self.devices.knows("zram") { Ok(()) } else { Err(Errno::NOENT.into()) }
    }

    fn set_read_only(&mut self, device: &str, read_only: bool) -> io::Result<()> {
        let node = self.space.locate(&Place::at(device))?;
        let Some(Node::Block(name)) = self.space.node(&node) else { return Err(Errno::NOTTY.into()) };
        let name = name.clone();
        if read_only {
            self.protected.insert(name)
        } else {
            self.protected.remove(&name)
        };
        Ok(())
    }

    /// What is on a block device. A loop device is empty again when nothing of it is mounted any more (autoclear).
    fn bytes_of(&self, name: &str) -> io::Result<Arc<Content>> {
        let behind = self.attached.get(name).filter(|(system, _)| self.space.is_mounted(*system));
        let plugged = || self.devices.plugged.get(name).map(|plugged| plugged.content.clone());
        Ok(behind.map(|(_, content)| content.clone()).or_else(plugged).ok_or(Errno::NXIO)?)
    }

    /// What a driver finds in these bytes; EINVAL when it is another file system, or a damaged one.
    fn tree_in(&self, content: &Content, fstype: &str) -> io::Result<Tree> {
        if fstype == "vfat" && !self.devices.knows("nls_cp437") {
            return Err(Errno::INVAL.into()); // fs/fat/inode.c: codepage cp437 not found
        }
        content.tree(fstype)
    }

    fn attach_and_mount(&mut self, image: &File, mount: &ImageMount) -> io::Result<PathBuf> {
        self.space.locate(&Place::at("/dev/loop-control"))?;
        if mount.is_writable() && !image.writable {
            return Err(Errno::ACCESS.into());
        }
        self.space.directory(&mount.target)?;
        if !self.devices.knows(&mount.fstype) {
            return Err(Errno::NODEV.into());
        }
        let tree = self.tree_in(&image.content, &mount.fstype)?;
        let name = format!("loop{}", self.loops);
        let device = format!("/dev/{name}");
        let read_only = !mount.is_writable() || READ_ONLY.contains(&mount.fstype.as_str());
        let (fstype, source) = (mount.fstype.clone(), device.clone());
        let system = self.space.add_system(System { fstype, source, tree, read_only, options: mount.options.clone() });
        self.space.mount(system, &mount.target, mount.flags, Some(image.clone()))?;
        self.loops += 1;
        self.on_devices.insert(name.clone(), system);
        self.attached.insert(name, (system, image.content.clone()));
        self.make_nodes();
        Ok(device.into())
    }

    fn do_op(&mut self, op: &Op) -> io::Result<()> {
        let done = self.do_one(op);
        self.drop_released();
        done
    }

    fn do_one(&mut self, op: &Op) -> io::Result<()> {
        match op {
            Op::MakeDir(at) => self.space.make_directories(at),
            Op::Mount { fstype, source, target, flags, options } => self.mount(fstype, source, target, *flags, options),
            Op::Bind { source, target, flags } => self.space.bind(source, target, *flags),
            Op::BindMapped { source, target, flags, .. } => self.space.bind_mapped(source, target, *flags),
            Op::Move { source, target } => self.space.move_mount(source, target),
            Op::Unmount(at) => self.space.unmount(at),
            Op::Detach(at) => self.space.detach(at),
            Op::ReadOnly(at) => self.space.remount(at, true),
            Op::Writable(at) => self.space.remount(at, false),
            Op::DetachLoop(device) => self.detach_loop(device),
            Op::InstallSelf(at) => self.space.install(at),
            Op::SetReadOnly { device, read_only } => self.set_read_only(device, *read_only),
            Op::Own { at, uid, gid, .. } => self.space.own(at, *uid, *gid),
            Op::Symlink { to, at } => self.space.symlink(to, at),
            Op::Write { at, text } => self.space.write(at, text),
            Op::Save { at, text } => self.space.write(at, text),
            Op::Allocate { at, size } => self.space.allocate(at, *size),
            Op::Rename { from, to } => self.space.rename(from, to),
            Op::GrowFileSystem(at) => self.space.directory(at).map(drop),
            Op::Delete(at) => self.space.delete(at),
            Op::Merge { from, into } => self.space.merge_layers(from, into),
            Op::CopyLabel { from, to } => self.space.directory(from).and_then(|_| self.space.directory(to)).map(drop),
            Op::Map(mapping) => self.map(mapping),
            Op::Remap(mapping) => self.remap(mapping),
            Op::Unmap(name) => self.unmap(name),
            Op::Release(name) => self.release(name),
            Op::EmptyInitramfs => self.space.empty_initramfs(),
            Op::PivotRoot { new, old } => self.space.pivot_root(new, old),
            Op::ZramSwap(_) => self.zram_swap(),
            Op::SwitchRoot => self.space.switch_root(),
        }
    }
}
