//! The image file that sessions are saved in: made, grown, put together from pieces, and mounted.
//!
//! Takes   a store whose file system cannot hold layers itself, or somebody who wants a limit for what is saved.
//! Gives   the file system in the image, mounted at [`PERSIST`].
//! Leaves  an image that is there as it is, but for its end when it grows. A new one gets its name when it is whole.
//! Fails   when there is too little room, no `mke2fs` in the image that boots, or no file system for layers in the file.

use super::{PERSIST, refuse};
use crate::error::{Cause, Result};
use crate::formats::ReadAt;
use crate::formats::pieces::{self, BLOCK, lengths};
use crate::formats::superblock::{Format, probe};
use crate::machine::Machine;
use crate::mounting::mounting;
use crate::op::{ImageMount, Mapping, Op, Place, Program};
use crate::stages::drivers::Drivers;
use crate::stages::layers::Layers;
use crate::stages::plan::Plan;
use crate::stages::store::persist_source::{FOLDER_OF_IMAGE, IMAGE, holds_layers};
use crate::stages::store::{Store, containers};
use crate::sys::{End, Kind, Sys};
use rustix::mount::MountFlags;
use std::time::Duration;

/// Bytes below which an ext4 has no journal to speak of.
const SMALLEST: u64 = 64 << 20;
/// Bytes of the store that an image leaves free.
const MARGIN: u64 = 16 << 20;
/// What an image is called until it is whole.
const NEW: &str = "/boot/isolde/persist.img.new";
/// The name of the device that is put together from pieces, below /dev/mapper.
const JOINED: &str = "isolde-persist";
/// Where an image may have the program that makes an ext4.
const MKE2FS: [&str; 2] = ["/usr/sbin/mke2fs", "/sbin/mke2fs"];
/// Longest time for it: it writes little, and a slow stick a megabyte per second.
const MKE2FS_LIMIT: Duration = Duration::from_secs(600);

/// A piece of the image; the first has its name.
fn piece(image: &str, number: u32) -> Place {
    Place::store(pieces::name(image, number))
}

fn is_file<S: Sys>(machine: &Machine<S>, at: &Place) -> bool {
    matches!(machine.sys().kind(at), Ok(Some(Kind::File { .. })))
}

/// The pieces that are there, the first one first.
fn found<S: Sys>(machine: &Machine<S>) -> Vec<Place> {
    (0..pieces::MOST).map(|number| piece(IMAGE, number)).take_while(|at| is_file(machine, at)).collect()
}

/// The longest file on a file system.
fn largest(format: Format) -> u64 {
    if format == Format::Vfat { pieces::LARGEST_ON_VFAT } else { u64::MAX }
}

/// Makes an image with an ext4 of that many bytes.
pub(super) fn make<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    layers: &Layers,
    size: u64,
) -> Result<()> {
    let lengths = lengths(size, largest(layers.store.format));
    if size < SMALLEST || lengths.len() > pieces::MOST as usize {
        let why = format!("isolde.persist-size= wants at least {} MiB, and less than 256 GiB on vfat", SMALLEST >> 20);
        return Err(refuse(machine, why));
    }
    let numbered = || (0..).zip(&lengths);
    if let Some((number, _)) = numbered().find(|(number, _)| is_file(machine, &piece(IMAGE, *number))) {
        let why = format!("{} is there, and no {IMAGE}: a piece of another image", piece(IMAGE, number));
        return Err(refuse(machine, why));
    }
    has_room(machine, size)?;
    let program = mke2fs(machine, layers)?;
    machine.notice(&format!("making {IMAGE} with {} MiB", size >> 20));
    machine.apply(&[Op::MakeDir(Place::store(FOLDER_OF_IMAGE))])?;
    let files: Vec<(Place, Place, u64)> =
        numbered().map(|(number, length)| (piece(NEW, number), piece(IMAGE, number), *length)).collect();
    let done = fill(machine, drivers, plan, &files, program);
    if done.is_err() {
        for (new, ..) in &files {
            machine.best_effort(&Op::Delete(new.clone()), "it takes room and is not used");
        }
    }
    done
}

fn fill<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    plan: &Plan,
    files: &[(Place, Place, u64)],
    program: Program,
) -> Result<()> {
    let mut open = Vec::new();
    for (new, _, length) in files {
        machine.apply(&[Op::Delete(new.clone()), Op::Allocate { at: new.clone(), size: *length }])?;
        open.push(machine.sys_mut().open_writable(new).map_err(|e| machine.os(format!("open {new}"), e))?);
    }
    let node = join(machine, drivers, NEW, &open, true)?;
    let formatted = make_file_system(machine, plan, program, &node);
    machine.best_effort(&Op::Unmap(JOINED.to_owned()), "the image stays open");
    drop(open);
    formatted?;
    // The one with the image's own name comes last: until then there is no image.
    for (index, (new, at, _)) in files.iter().enumerate().rev() {
        let named = machine.apply(&[Op::Rename { from: new.clone(), to: at.clone() }]);
        if named.is_err() {
            // Those that have their names are pieces of no image, which the next boot would refuse.
            for (_, at, _) in files.iter().skip(index + 1) {
                machine.best_effort(&Op::Delete(at.clone()), "it takes room and is not used");
            }
            return named;
        }
    }
    Ok(())
}

/// Where the image that boots has the program, and how it is called.
fn mke2fs<S: Sys>(machine: &Machine<S>, layers: &Layers) -> Result<Program> {
    let mut all = layers.layers.iter().flat_map(|layer| MKE2FS.map(|path| (layer.at.clone(), path)));
    let found = all.find(|(root, path)| {
        matches!(machine.sys().kind(&Place::within(root, path)), Ok(Some(Kind::File { executable: true })))
    });
    let Some((root, path)) = found else {
        let why = format!("{} has no mke2fs to make {IMAGE} with; isolde persist create makes one", layers.image);
        return Err(refuse(machine, why));
    };
    // The features that every kernel of these ten years writes; the reserve is mke2fs' own, 5 %.
    let arguments = ["-q", "-F", "-t", "ext4", "-L", "persist"].map(str::to_owned).to_vec();
    Ok(Program { root, path: path.into(), arguments, environment: Vec::new(), limit: MKE2FS_LIMIT })
}

/// Runs it for a device. It sees the devices of this system in its own, read-only, root.
fn make_file_system<S: Sys>(machine: &mut Machine<S>, plan: &Plan, mut program: Program, node: &str) -> Result<()> {
    program.arguments.push(node.to_owned());
    program.limit = program.limit.max(plan.program_limit);
    let dev = Place::within(&program.root, "/dev");
    machine.apply(&[Op::Bind { source: Place::at("/dev"), target: dev.clone(), flags: MountFlags::NOSUID }])?;
    machine.debug(&program);
    let mut said = Vec::new();
    let end = machine.sys_mut().run(&program, &mut |line| said.push(line.to_owned()));
    machine.apply(&[Op::Unmount(dev)])?;
    let why = match end {
        Ok(End::Exited(0)) => return Ok(()),
        Ok(End::Exited(status)) => format!("status {status}"),
        Ok(End::Signalled(signal)) => format!("signal {signal}"),
        Ok(End::TimedOut) => format!("no end after {} s", program.limit.as_secs()),
        Err(error) => return Err(machine.os(program.to_string(), error)),
    };
    Err(refuse(machine, format!("{program}: {why}: {}", said.join("; "))))
}

/// Makes the image that is there larger; its file system grows when it is mounted. Without room it stays as it is.
pub(super) fn grow<S: Sys>(machine: &mut Machine<S>, store: &Store, size: u64) -> Result<()> {
    let mut there = Vec::new();
    for at in found(machine) {
        let doing = || format!("read {at}");
        let file = machine.sys().open(&at).map_err(|e| machine.os(doing(), e))?;
        there.push(file.size().map_err(|e| machine.os(doing(), e))?);
    }
    let now = there.iter().fold(0_u64, |sum, length| sum.saturating_add(*length));
    let Some(more) = size.checked_sub(now).map(|more| more / BLOCK * BLOCK).filter(|more| *more > 0) else {
        return Ok(());
    };
    has_room(machine, more)?;
    machine.notice(&format!("{IMAGE} grows from {} to {} MiB", now >> 20, size >> 20));
    // What is in front of the end cannot grow: only the last piece, and new ones behind it.
    let last = there.pop().unwrap_or_default();
    let number = u32::try_from(there.len()).unwrap_or(pieces::MOST);
    let behind = lengths(last.saturating_add(more), largest(store.format));
    for (number, size) in (number..pieces::MOST).zip(behind) {
        machine.apply(&[Op::Allocate { at: piece(IMAGE, number), size }])?;
    }
    Ok(())
}

fn has_room<S: Sys>(machine: &Machine<S>, bytes: u64) -> Result<()> {
    let at = Place::store("/");
    let space = machine.sys().space(&at).map_err(|e| machine.os(format!("ask for the room at {at}"), e))?;
    if space.free >= bytes.saturating_add(MARGIN) {
        return Ok(());
    }
    let (want, free) = (bytes.saturating_add(MARGIN) >> 20, space.free >> 20);
    Err(refuse(machine, format!("{IMAGE} wants {want} MiB more of the store, and {free} are free")))
}

/// Mounts the file system in the image, or in the LUKS volume in it.
pub(super) fn mount<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    writable: bool,
) -> Result<()> {
    let (target, at) = (Place::at(PERSIST), Place::store(IMAGE));
    let doing = || format!("open {at}");
    let mut files = Vec::new();
    for at in found(machine) {
        let file = if writable { machine.sys_mut().open_writable(&at) } else { machine.sys().open(&at) };
        files.push(file.map_err(|e| machine.os(doing(), e))?);
    }
    // What has to go away with the mount.
    let mut devices = Vec::new();
    if files.len() > 1 {
        let node = join(machine, drivers, IMAGE, &files, writable)?;
        let joined = Place::at(&node);
        let open = if writable { machine.sys_mut().open_writable(&joined) } else { machine.sys().open(&joined) };
        files = vec![open.map_err(|e| machine.os(doing(), e))?];
        devices.push((node, JOINED.to_owned()));
    }
    let Some(file) = files.first() else { return Err(machine.os(doing(), std::io::ErrorKind::NotFound.into())) };
    let mut format = probe(file).map_err(|e| machine.os(doing(), e))?.map(|superblock| superblock.format);
    if format == Some(Format::Luks) {
        let (node, name) = containers::open_image(machine, plan, drivers, IMAGE, file, writable)?;
        let inner = machine.sys().open(&Place::at(&node)).map_err(|e| machine.os(doing(), e))?;
        format = probe(&inner).map_err(|e| machine.os(doing(), e))?.map(|superblock| superblock.format);
        devices.push((node, name));
    }
    let Some(how) = format.filter(|format| holds_layers(*format)).and_then(mounting) else {
        let seen = format.map_or("nothing known", Format::name);
        let why = format!("wanted a file system like ext4 in {IMAGE}, saw {seen}");
        return Err(machine.error(doing(), Cause::NoPersistence { why }));
    };
    drivers.image(machine, how.fstype)?;
    let options = how.writable.filter(|_| writable).unwrap_or(how.read_only).to_owned();
    // Set-uid programs and device nodes are part of a system; who may use them is the overlay's to say.
    let flags = if writable { MountFlags::NOATIME } else { MountFlags::NOATIME | MountFlags::RDONLY };
    let fstype = how.fstype.to_owned();
    match devices.last() {
        None => {
            let name = at.full().to_string_lossy().into_owned();
            machine.mount_image(file, &ImageMount { name, fstype, target, flags, options })?;
        }
        Some((source, _)) => {
            let source = source.clone();
            machine.apply(&[Op::Mount { fstype, source, target, flags, options }])?;
        }
    }
    drop(files);
    // With them go the loop devices below.
    for (_, name) in devices.into_iter().rev() {
        machine.best_effort(&Op::Release(name), "the image stays open when it is unmounted");
    }
    if writable && plan.persist_size.is_some() && format == Some(Format::Ext4) {
        machine.best_effort(&Op::GrowFileSystem(Place::at(PERSIST)), "what is saved has the room that it had");
    }
    Ok(())
}

/// One device of all pieces, of an image of that name; gives its node.
fn join<S: Sys>(
    machine: &mut Machine<S>,
    drivers: &mut Drivers,
    name: &str,
    files: &[S::File],
    writable: bool,
) -> Result<String> {
    let mut sizes = Vec::new();
    for (number, file) in (0..).zip(files) {
        let device = piece(name, number).full().to_string_lossy().into_owned();
        let size = file.size().map_err(|e| machine.os(["read ", &device].concat(), e))?;
        sizes.push((device, size));
    }
    let mapping = Mapping::joined(JOINED, writable, sizes).map_err(|why| refuse(machine, why))?;
    drivers.joined_image(machine);
    let node = machine.map_images(files, &mapping)?;
    Ok(node.to_string_lossy().into_owned())
}
