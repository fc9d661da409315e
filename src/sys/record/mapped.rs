//! Mapped devices of the fake kernel.
//!
//! Takes   the operations on them, and what a test says is behind each name ([`Content::holding`]).
//! Gives   a block device `dm-N`; with a wrong key, or over the wrong device, nothing known is on it.
//! Fails   as drivers/md/dm-ioctl.c and dm-table.c do: without the device mapper or a target, for a name that is taken,
//!         for parts that are mounted or too short, and for writing above what takes no writes.

use super::tree::{Content, File, Medium, Node, Tree};
use super::{Record, devices::Plugged};
use crate::formats::ReadAt;
use crate::op::{MAP_SECTOR, Mapping, Part, Place, Program, Target};
use crate::sys::{BlockDevice, Bus};
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

impl Record {
    pub(super) fn map(&mut self, mapping: &Mapping) -> io::Result<()> {
        if !self.devices.knows("dm-linear") {
            return Err(Errno::NOENT.into()); // no /dev/mapper/control
        }
        if self.mapped.values().any(|made| made.name == mapping.name || made.uuid == mapping.uuid) {
            return Err(Errno::BUSY.into());
        }
        let below = mapping.parts.iter().map(|part| self.part(part, mapping)).collect::<io::Result<Vec<_>>>()?;
        let size = mapping.parts.iter().map(|part| part.length * MAP_SECTOR).sum();
        let held = below.iter().find_map(|(_, content)| content.held(mapping));
        let whole = || below.first().filter(|_| starts_linear(mapping)).map(|(_, first)| first);
        let content = held.or_else(whole).map_or_else(Content::default, |held| Content::clone(held));
        let content = Arc::new(content.resized(size));
        let node = format!("dm-{}", self.maps);
        self.maps += 1;
        let removable = below.iter().any(|(device, _)| device.removable);
        let (name, bus, mapped) = (node.clone(), Bus::Mapped, Some(mapping.name.clone()));
        let device = BlockDevice { name, disk: None, partition: None, sequence: None, size, removable, bus, mapped };
        self.devices.made(Plugged { device, content });
        self.mapped.insert(node, mapping.clone());
        self.make_nodes();
        Ok(())
    }

    /// The same over image files.
    pub(super) fn map_files(&mut self, images: &[File], mapping: &Mapping) -> io::Result<PathBuf> {
        self.space.locate(&Place::at("/dev/loop-control"))?;
        if mapping.writable && images.iter().any(|image| !image.writable) {
            return Err(Errno::ACCESS.into());
        }
        let attached: Vec<String> = images.iter().map(|image| self.attach(image)).collect();
        let mut over = mapping.clone();
        for (number, part) in over.parts.iter_mut().enumerate() {
            part.device.clone_from(attached.get(number).or(attached.last()).ok_or(Errno::INVAL)?);
        }
        let name = format!("dm-{}", self.maps);
        self.map(&over)?;
        self.files_below.insert(name.clone(), images.iter().map(|image| image.name.clone()).collect());
        Ok(["/dev/", &name].concat().into())
    }

    /// A loop device of a file.
    fn attach(&mut self, image: &File) -> String {
        let name = format!("loop{}", self.loops);
        self.loops += 1;
        let device = BlockDevice {
            name: name.clone(),
            disk: None,
            partition: None,
            sequence: None,
            size: image.content.size(),
            removable: false,
            bus: Bus::Other,
            mapped: None,
        };
        self.devices.made(Plugged { device, content: image.content.clone() });
        self.make_nodes();
        ["/dev/", &name].concat()
    }

    /// mke2fs(8): an empty ext4 on the device that is its last argument, which its root has in its /dev. Where that is made of
    /// files, the first one holds it: the fake file systems have their size, and no more bytes than a superblock's.
    pub(super) fn make_ext4(&mut self, program: &Program) -> io::Result<()> {
        let device = program.arguments.last().ok_or(Errno::INVAL)?;
        let seen = self.space.locate(&Place::within(&program.root, device))?;
        let Some(Node::Block(name)) = self.space.node(&seen).cloned() else { return Err(Errno::NOTBLK.into()) };
        let first = self.files_below.get(&name).and_then(|files| files.first().cloned()).ok_or(Errno::NXIO)?;
        let at = Place::at(&first);
        let size = ReadAt::size(&self.handle(&at)?)?;
        let content = Content::image(&Medium::new("ext4", Tree::new())).resized(size);
        self.space.refill(&at, Arc::new(content))
    }

    pub(super) fn remap(&mut self, mapping: &Mapping) -> io::Result<()> {
        let node = self.node_of(&mapping.name)?;
        if self.is_used(&node) {
            return Err(Errno::BUSY.into()); // not the kernel's refusal: it would pull the table away under the mount
        }
        self.mapped.remove(&node);
        for part in &mapping.parts {
            let lower = part.device.strip_prefix("/dev/").and_then(|name| self.mapped.get(name));
            if mapping.writable && lower.is_some_and(|lower| !lower.writable) {
                return Err(Errno::ACCESS.into());
            }
        }
        self.mapped.insert(node, mapping.clone());
        Ok(())
    }

    pub(super) fn unmap(&mut self, name: &str) -> io::Result<()> {
        let node = self.node_of(name)?;
        if self.is_used(&node) || self.is_below(&node) {
            return Err(Errno::BUSY.into());
        }
        self.mapped.remove(&node);
        self.sealed.remove(&node);
        self.devices.unplug(&node);
        self.make_nodes();
        Ok(())
    }

    /// Whether a device takes no writes because of its table.
    pub(super) fn is_read_only(&self, device: &str) -> bool {
        self.mapped.get(device).is_some_and(|mapping| !mapping.writable)
    }

    pub(super) fn node_of(&self, name: &str) -> io::Result<String> {
        let found = self.mapped.iter().find(|(_, mapping)| mapping.name == name);
        Ok(found.map(|(node, _)| node.clone()).ok_or(Errno::NXIO)?)
    }

    fn is_used(&self, device: &str) -> bool {
        self.on_devices.get(device).is_some_and(|system| self.space.is_mounted(*system))
    }

    fn is_below(&self, device: &str) -> bool {
        let is_it = |part: &Part| part.device.strip_prefix("/dev/") == Some(device);
        self.mapped.values().any(|mapping| mapping.parts.iter().any(is_it))
    }

    /// What a part is on.
    fn part(&self, part: &Part, mapping: &Mapping) -> io::Result<(BlockDevice, Arc<Content>)> {
        if !self.devices.knows(&format!("dm-{}", part.target.name())) {
            return Err(Errno::INVAL.into());
        }
        let node = self.space.locate(&Place::at(&part.device))?;
        let Some(Node::Block(name)) = self.space.node(&node) else { return Err(Errno::NOTBLK.into()) };
        let plugged = self.devices.plugged.get(name).ok_or(Errno::NXIO)?;
        if self.is_used(name) {
            return Err(Errno::BUSY.into());
        }
        if (part.offset + part.length) * MAP_SECTOR > plugged.device.size {
            return Err(Errno::INVAL.into());
        }
        if mapping.writable && self.is_read_only(name) {
            return Err(Errno::ACCESS.into());
        }
        Ok((plugged.device.clone(), plugged.content.clone()))
    }
}

/// Whether the mapped device begins as the first one below it does.
fn starts_linear(mapping: &Mapping) -> bool {
    mapping.parts.first().is_some_and(|part| part.target == Target::Linear && part.offset == 0)
}

impl Content {
    /// With these bytes behind a mapped device of that name, which is encrypted with this key where there is one.
    #[must_use]
    pub fn holding(mut self, mapped: &str, key: Option<&[u8]>, inner: Content) -> Content {
        self.inside.insert(mapped.to_owned(), (key.map(<[u8]>::to_vec), Arc::new(inner)));
        self
    }

    fn held(&self, mapping: &Mapping) -> Option<&Arc<Content>> {
        let (wanted, inner) = self.inside.get(&mapping.name)?;
        let key = mapping.parts.iter().find_map(|part| match &part.target {
            Target::Crypt { key, .. } => Some(key.bytes()),
            Target::Linear | Target::Verity(_) => None,
        });
        (wanted.as_deref() == key).then_some(inner)
    }
}
