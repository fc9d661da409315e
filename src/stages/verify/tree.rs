//! An image with a hash tree: the kernel checks each block when it is read, so the boot starts at once.
//!
//! Takes   the open image, and what the manifest trusts its tree by: root hash, salt and size of a block.
//! Gives   the root hash, and the device in the image's place; or nothing where the whole file has to be checked instead,
//!         because the tree is not there or the kernel has no dm-verity, and says so.
//! Fails   when the tree is not the image's: it is damaged, cut short, or of another image.

use crate::corruption::Sealed;
use crate::error::{Cause, Result};
use crate::formats::manifest;
use crate::formats::superblock::Format;
use crate::formats::verity::{Tree, Wanted};
use crate::machine::Machine;
use crate::op::{Place, Quoted, Verity};
use crate::stages::drivers::Drivers;
use crate::stages::image::Opened;
use crate::stages::plan::Plan;
use crate::sys::Sys;
use rustix::io::Errno;
use std::fmt::Write as _;
use std::io;

/// Bytes of a block of optical media, which is the largest that their drivers take of a device.
const LARGEST_OPTICAL: u32 = 2048;
/// The device's name below /dev/mapper.
const NAME: &str = "isolde-image";

pub(super) fn seal<S: Sys>(
    machine: &mut Machine<S>,
    plan: &Plan,
    drivers: &mut Drivers,
    opened: &mut Opened<S::File>,
    trusted: &manifest::Verity,
) -> Result<Option<String>> {
    if matches!(opened.format, Format::Iso9660 | Format::Udf) && trusted.block > LARGEST_OPTICAL {
        // The device would have blocks of that size, and the driver refuses to mount it (kernel: fs/isofs/inode.c).
        machine.notice("the hash tree's blocks are larger than those of the image: the whole image is checked instead");
        return Ok(None);
    }
    let beside = [&opened.path, ".verity"].concat();
    let at = Place::store(&beside);
    let fail = |machine: &Machine<S>, cause| machine.error(format!("open the hash tree {}", Quoted(&beside)), cause);
    let file = match machine.sys().open(&at) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            machine.notice(&format!("{} is not there: the whole image is checked instead", Quoted(&beside)));
            return Ok(None);
        }
        Err(error) => return Err(fail(machine, Cause::Os(error))),
    };
    let wanted = Wanted { root: &trusted.root, salt: &trusted.salt, block: trusted.block, size: opened.size };
    let tree = Tree::open(&file, wanted)
        .map_err(|e| fail(machine, Cause::Unsound { file: beside.clone(), why: e.to_string() }))?;
    let root = hex(&trusted.root);
    let uuid = tree.head.uuid().unwrap_or_default().replace('-', "");
    let name = |path: &str| Place::store(path).full().to_string_lossy().into_owned();
    let verity = Verity {
        name: NAME.to_owned(),
        uuid: ["CRYPT-VERITY-", &uuid, "-", NAME].concat(),
        image: name(&opened.path),
        tree: name(&beside),
        data_block: tree.head.data_block,
        hash_block: tree.head.hash_block,
        data_blocks: tree.head.data_blocks,
        // The kernel counts from the highest level, which comes first.
        hash_start: tree.first_block(),
        algorithm: tree.head.algorithm.name(),
        root: root.clone(),
        salt: hex(&trusted.salt),
        on_corruption: plan.on_corruption,
    };
    drivers.verity(machine, verity.algorithm);
    match machine.seal(&opened.file, &file, &verity) {
        Ok(device) => {
            let device = device.to_string_lossy().into_owned();
            machine.set_sealed(Sealed::new(&opened.path, &device, verity.data_block));
            opened.sealed = Some((device, verity.name));
            Ok(Some(root))
        }
        Err(error) => {
            // Without the device mapper there is nobody to ask; without the target, its hash or its option, the table is
            // invalid.
            let missing = [Errno::NOENT, Errno::INVAL, Errno::NODEV].map(|errno| Some(errno.raw_os_error()));
            match &error.cause {
                Cause::Os(os) if missing.contains(&os.raw_os_error()) => {
                    let missing = drivers.no_mapper("verity");
                    machine.notice(&format!("{missing}: the whole image is checked instead"));
                    Ok(None)
                }
                _ => Err(error),
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}
