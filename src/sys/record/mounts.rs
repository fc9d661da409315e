//! The mounts of the fake kernel, and the changes that it makes or refuses as the real one does.
//!
//! Takes   operations on places.
//! Gives   a namespace in which their effect is seen by every later look-up.
//! Fails   with the errno of `mount(2)`, `umount(2)` and `move_mount(2)`.

use super::paths::Location;
use super::tree::{File, Node, Tree};
use crate::op::{NEW_ROOT, Place};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The number of the first mount.
pub(super) const INITRAMFS: usize = 0;

/// File systems in which a mount can have other owners.
const MAPPED: [&str; 6] = ["ext4", "btrfs", "xfs", "f2fs", "tmpfs", "vfat"];

/// A mounted file system. Several mounts can show one.
#[derive(Clone, Debug)]
pub(super) struct System {
    pub(super) fstype: String,
    pub(super) source: String,
    pub(super) tree: Tree,
    /// The file system's own state; each mount has its flags besides.
    pub(super) read_only: bool,
    /// As they were given to its first mount.
    pub(super) options: String,
}

#[derive(Clone, Debug)]
struct Mount {
    system: usize,
    /// The part of the file system that it shows.
    top: PathBuf,
    at: Option<Location>,
    flags: MountFlags,
    /// Cloned into every open file.
    users: Arc<()>,
    /// The image that a loop device has open.
    image: Option<File>,
    /// The source's name as it was given, where it is not the file system's first.
    named: Option<String>,
}

/// A mount as /proc/mounts shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Device or name.
    pub source: String,
    /// Mount point from the present root; `None` when no path leads there any more.
    pub target: Option<PathBuf>,
    /// File system type.
    pub fstype: String,
    /// Flags of the mount.
    pub flags: MountFlags,
    /// Options of the file system.
    pub options: String,
}

/// All mounts, and where `/` is.
#[derive(Debug)]
pub(super) struct Namespace {
    systems: Vec<System>,
    mounts: BTreeMap<usize, Mount>,
    next: usize,
    pub(super) root: Location,
    /// Image files that an overlay keeps open, by its file system: it has mounts of its own of its layers.
    held: BTreeMap<usize, Vec<File>>,
    /// Paths of the initramfs that were looked for in vain.
    pub(super) missed: RefCell<BTreeSet<PathBuf>>,
}

impl Namespace {
    /// The initramfs alone.
    pub(super) fn new(initramfs: Tree) -> Namespace {
        let root = Location { mount: INITRAMFS, path: PathBuf::new() };
        let (mounts, missed) = (BTreeMap::new(), RefCell::default());
        let held = BTreeMap::new();
        let mut space = Namespace { systems: Vec::new(), mounts, next: INITRAMFS, root, held, missed };
        let (fstype, source) = ("rootfs".to_owned(), "none".to_owned());
        let system =
            space.add_system(System { fstype, source, tree: initramfs, read_only: false, options: String::new() });
        space.add_mount(system, PathBuf::new(), None, MountFlags::empty(), None);
        space
    }

    /// A file system that is not mounted yet.
    pub(super) fn add_system(&mut self, system: System) -> usize {
        self.systems.push(system);
        self.systems.len() - 1
    }

    pub(super) fn system(&self, number: usize) -> Option<&System> {
        self.systems.get(number)
    }

    pub(super) fn system_mut(&mut self, number: usize) -> Option<&mut System> {
        self.systems.get_mut(number)
    }

    /// Whether any mount shows it.
    pub(super) fn is_mounted(&self, system: usize) -> bool {
        self.mounts.values().any(|mount| mount.system == system)
    }

    fn add_mount(&mut self, system: usize, top: PathBuf, at: Option<Location>, flags: MountFlags, image: Option<File>) {
        let mount = Mount { system, top, at, flags, users: Arc::new(()), image, named: None };
        self.mounts.insert(self.next, mount);
        self.next += 1;
    }

    pub(super) fn tree_of(&self, mount: usize) -> Option<&Tree> {
        Some(&self.systems.get(self.mounts.get(&mount)?.system)?.tree)
    }

    pub(super) fn top_of(&self, mount: usize) -> Option<&Path> {
        Some(&self.mounts.get(&mount)?.top)
    }

    pub(super) fn mount_point(&self, mount: usize) -> Option<&Location> {
        self.mounts.get(&mount)?.at.as_ref()
    }

    /// The mount on a location, and where its top is.
    pub(super) fn mounted_on(&self, at: &Location) -> Option<(usize, PathBuf)> {
        let (number, mount) = self.mounts.iter().find(|(_, mount)| mount.at.as_ref() == Some(at))?;
        Some((*number, mount.top.clone()))
    }

    /// What keeps the mount busy while somebody holds it.
    pub(super) fn user_of(&self, at: &Location) -> io::Result<Arc<()>> {
        Ok(self.mounts.get(&at.mount).ok_or(Errno::NOENT)?.users.clone())
    }

    pub(super) fn fstype_of(&self, at: &Location) -> Option<&str> {
        Some(&self.systems.get(self.mounts.get(&at.mount)?.system)?.fstype)
    }

    /// Every mount, the oldest first.
    pub(super) fn mounted(&self) -> Vec<Mounted> {
        let shown = |(number, mount): (&usize, &Mount)| {
            let system = self.systems.get(mount.system)?;
            let (source, fstype) = (mount.named.as_ref().unwrap_or(&system.source).clone(), system.fstype.clone());
            let access = if system.read_only { MountFlags::RDONLY } else { MountFlags::empty() };
            let (flags, options) = (mount.flags | access, system.options.clone());
            Some(Mounted { source, target: self.path_of(*number), fstype, flags, options })
        };
        self.mounts.iter().filter_map(shown).collect()
    }

    /// Shows a file system at a place.
    pub(super) fn mount(
        &mut self,
        system: usize,
        target: &Place,
        flags: MountFlags,
        image: Option<File>,
    ) -> io::Result<()> {
        let at = self.directory(target)?;
        self.add_mount(system, PathBuf::new(), Some(at), flags, image);
        Ok(())
    }

    /// The same for a device, by the name that /proc/mounts shows.
    pub(super) fn mount_by(&mut self, name: &str, system: usize, target: &Place, flags: MountFlags) -> io::Result<()> {
        self.mount(system, target, flags, None)?;
        if let Some(mut newest) = self.mounts.last_entry() {
            newest.get_mut().named = Some(name.to_owned());
        }
        Ok(())
    }

    /// A directory that has to be there.
    pub(super) fn directory(&self, at: &Place) -> io::Result<Location> {
        let location = self.locate(at)?;
        match self.node(&location) {
            Some(Node::Directory) => Ok(location),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    pub(super) fn bind(&mut self, source: &Place, target: &Place, flags: MountFlags) -> io::Result<()> {
        let (from, at) = (self.directory(source)?, self.directory(target)?);
        let shown = self.mounts.get(&from.mount).ok_or(Errno::INVAL)?;
        // A bind mount inherits its source's flags, and a remount replaces all of them.
        let (system, flags) = (shown.system, if flags.is_empty() { shown.flags } else { flags });
        self.add_mount(system, from.path, Some(at), flags, None);
        Ok(())
    }

    /// EINVAL where the driver cannot (FS_ALLOW_IDMAP in each file system of the kernel).
    pub(super) fn bind_mapped(&mut self, source: &Place, target: &Place, flags: MountFlags) -> io::Result<()> {
        let from = self.directory(source)?;
        if !self.fstype_of(&from).is_some_and(|fstype| MAPPED.contains(&fstype)) {
            return Err(Errno::INVAL.into());
        }
        self.bind(source, target, flags)
    }

    pub(super) fn move_mount(&mut self, source: &Place, target: &Place) -> io::Result<()> {
        let (from, at) = (self.locate(source)?, self.directory(target)?);
        self.move_to(&from, at)
    }

    fn move_to(&mut self, from: &Location, at: Location) -> io::Result<()> {
        if self.top_of(from.mount) != Some(&from.path) || self.mount_point(from.mount).is_none() {
            return Err(Errno::INVAL.into()); // no mount point, or the initramfs itself
        }
        let mut above = Some(at.mount);
        while let Some(mount) = above {
            if mount == from.mount {
                return Err(Errno::LOOP.into()); // below itself
            }
            above = self.mount_point(mount).map(|at| at.mount);
        }
        self.mounts.get_mut(&from.mount).ok_or(Errno::INVAL)?.at = Some(at);
        Ok(())
    }

    pub(super) fn unmount(&mut self, at: &Place) -> io::Result<()> {
        let location = self.locate(at)?;
        let mount = self.mounts.get(&location.mount).ok_or(Errno::INVAL)?;
        if mount.top != location.path || mount.at.is_none() {
            return Err(Errno::INVAL.into());
        }
        let below = self.mounts.values().any(|m| m.at.as_ref().is_some_and(|at| at.mount == location.mount));
        if below || Arc::strong_count(&mount.users) > 1 || self.root.mount == location.mount {
            return Err(Errno::BUSY.into());
        }
        self.mounts.remove(&location.mount);
        self.let_layers_go();
        Ok(())
    }

    /// The layers of an overlay live as long as it does, also where their own mounts are gone.
    pub(super) fn hold_layers(&mut self, system: usize, options: &str) -> io::Result<()> {
        let lower = options.split(',').find_map(|option| option.strip_prefix("lowerdir=")).unwrap_or_default();
        let layers = lower.split(':').map(|layer| Ok(self.directory(&Place::at(layer))?.mount));
        let layers = layers.collect::<io::Result<Vec<usize>>>()?;
        let images = layers.iter().filter_map(|mount| self.mounts.get(mount)?.image.clone());
        self.held.insert(system, images.collect());
        Ok(())
    }

    fn let_layers_go(&mut self) {
        let mounted: BTreeSet<usize> = self.mounts.values().map(|mount| mount.system).collect();
        self.held.retain(|system, _| mounted.contains(system));
    }

    /// The file system itself, not only this mount of it.
    pub(super) fn remount(&mut self, at: &Place, read_only: bool) -> io::Result<()> {
        let location = self.locate(at)?;
        let mount = self.mounts.get(&location.mount).filter(|mount| mount.top == location.path).ok_or(Errno::INVAL)?;
        self.systems.get_mut(mount.system).ok_or(Errno::INVAL)?.read_only = read_only;
        Ok(())
    }

    /// Takes a mount and all below it out of sight. Who has a file of it open keeps that.
    pub(super) fn detach(&mut self, at: &Place) -> io::Result<()> {
        let location = self.locate(at)?;
        if self.top_of(location.mount) != Some(&location.path) || self.mount_point(location.mount).is_none() {
            return Err(Errno::INVAL.into());
        }
        let mut gone = vec![location.mount];
        while let Some(mount) = gone.pop() {
            self.mounts.remove(&mount);
            let below = |m: &Mount| m.at.as_ref().is_some_and(|at| at.mount == mount);
            gone.extend(self.mounts.iter().filter(|(_, m)| below(m)).map(|(number, _)| *number));
        }
        self.let_layers_go();
        Ok(())
    }

    /// The merged view of an overlay's layers. It is taken when it is mounted: the layers are read-only, and its upper is
    /// changed through it alone.
    pub(super) fn overlay(&self, options: &str) -> io::Result<Tree> {
        let option = |name: &str| options.split(',').find_map(|o| o.strip_prefix(name)?.strip_prefix('='));
        let lower = option("lowerdir").ok_or(Errno::INVAL)?;
        let mut tree = Tree::new();
        // The first one of the list is the highest.
        for layer in lower.split(':').rev() {
            self.merge(&mut tree, &self.directory(&Place::at(layer))?)?;
        }
        if let Some(upper) = option("upperdir") {
            let work = self.directory(&Place::at(option("workdir").ok_or(Errno::INVAL)?))?;
            let upper = self.directory(&Place::at(upper))?;
            self.writable(&upper)?;
            let nested = upper.path.starts_with(&work.path) || work.path.starts_with(&upper.path);
            if upper.mount != work.mount || nested {
                return Err(Errno::INVAL.into());
            }
            self.merge(&mut tree, &upper)?;
        }
        Ok(tree)
    }

    fn merge(&self, tree: &mut Tree, layer: &Location) -> io::Result<()> {
        let from = self.tree_of(layer.mount).ok_or(Errno::NOENT)?;
        for (path, node) in from.nodes() {
            let Ok(path) = path.strip_prefix(&layer.path) else { continue };
            let merged = matches!((tree.get(path), node), (Some(Node::Directory), Node::Directory));
            if !merged {
                if matches!(tree.get(path), Some(Node::Directory)) {
                    tree.retain(|below| !below.starts_with(path));
                }
                tree.insert(path, node.clone());
            }
        }
        Ok(())
    }

    /// EROFS where nothing can be written.
    pub(super) fn writable(&self, at: &Location) -> io::Result<()> {
        let mount = self.mounts.get(&at.mount).ok_or(Errno::NOENT)?;
        let system = self.systems.get(mount.system).ok_or(Errno::NOENT)?;
        if mount.flags.contains(MountFlags::RDONLY) || system.read_only {
            return Err(Errno::ROFS.into());
        }
        Ok(())
    }

    /// The tree that a location is in, to be changed.
    pub(super) fn tree_mut(&mut self, at: &Location) -> io::Result<&mut Tree> {
        let system = self.mounts.get(&at.mount).ok_or(Errno::NOENT)?.system;
        Ok(&mut self.systems.get_mut(system).ok_or(Errno::NOENT)?.tree)
    }

    /// Deletes the initramfs, but for the folders that lead to mount points.
    pub(super) fn empty_initramfs(&mut self) -> io::Result<()> {
        let new_root = self.locate(&Place::at(NEW_ROOT))?;
        let mark = |path: &str| self.locate(&Place::at(path)).is_ok();
        if self.root.mount != INITRAMFS || new_root.mount == INITRAMFS || !(mark("/init") || mark("/isolde/init")) {
            return Err(Errno::PERM.into());
        }
        let points: Vec<PathBuf> = self
            .mounts
            .values()
            .filter_map(|m| m.at.as_ref())
            .filter(|at| at.mount == INITRAMFS)
            .map(|at| at.path.clone())
            .collect();
        let initramfs = self.systems.first_mut().ok_or(Errno::NOENT)?;
        initramfs.tree.retain(|path| points.iter().any(|point| point.starts_with(path)));
        Ok(())
    }

    /// A folder becomes the root; the old one is below it, and so are binds of the virtual file systems.
    pub(super) fn pivot(&mut self, folder: &str, old: &str, api: &[&str]) -> io::Result<()> {
        let place = Place::at(folder);
        for name in [old].iter().chain(api) {
            self.make_directories(&place.join(name))?;
        }
        self.bind(&place, &place, MountFlags::empty())?;
        for name in api {
            self.bind(&Place::at(name), &place.join(name), MountFlags::empty())?;
        }
        self.pivot_root(folder, &format!("{folder}/{old}"))
    }

    pub(super) fn pivot_root(&mut self, new: &str, old: &str) -> io::Result<()> {
        let (new, below, before) =
            (self.directory(&Place::at(new))?, self.directory(&Place::at(old))?, self.root.clone());
        if self.top_of(new.mount) != Some(&new.path) || new.mount == before.mount {
            return Err(Errno::INVAL.into()); // no mount point, or the root itself
        }
        let outer = self.mounts.get_mut(&before.mount).ok_or(Errno::INVAL)?.at.replace(below);
        self.mounts.get_mut(&new.mount).ok_or(Errno::INVAL)?.at = outer;
        self.root = new;
        Ok(())
    }

    /// The new root goes on top of the initramfs, and paths count from it.
    pub(super) fn switch_root(&mut self) -> io::Result<()> {
        let from = self.directory(&Place::at(NEW_ROOT))?;
        let at = self.root.clone();
        self.move_to(&from, at)?;
        self.root = from;
        Ok(())
    }
}
