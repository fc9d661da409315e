//! Swap space in compressed memory (`isolde.zram=`): what is written and not used for a while takes less room, so that more can
//! be written than there is memory.
//!
//! Takes   the size that was asked for, and the layers, one of which has the kernel's driver: few initrds do.
//! Gives   the size of the swap space; `None` where there is none.
//! Leaves  the session on a disk as it is: what is written there is in memory for a moment only.
//! Fails   never: without it the boot goes on, with a warning that says why.

use crate::error::Result;
use crate::machine::Machine;
use crate::op::{Op, Place};
use crate::params::Size;
use crate::stages::drivers::Drivers;
use crate::stages::persist::Layered;
use crate::sys::{self, Sys};

/// More than this times the memory is not compressed into it: programs and text come to a half or a third. And every page that
/// could be swapped takes 16 bytes beforehand (`struct zram_table_entry`, kernel: drivers/block/zram/zram_drv.h).
const MOST: u64 = 4;
/// What the tmpfs takes where nothing is said, in per cent: that of live-boot, and of tmpfs itself.
const USUAL: u8 = 50;

/// systemd would switch it off before the system stops: all of it would have to be read back into memory, which it was made
/// to spare (github.com/systemd/systemd/issues/2930). This is the name of the unit that it makes for /zram.
const UNIT: &str = "/run/systemd/system/zram.swap.d";
const STAYS: &str = "[Unit]\nDefaultDependencies=no\n";

/// Makes it.
pub(super) fn make<S: Sys>(
    machine: &mut Machine<S>,
    wish: Option<Size>,
    drivers: &mut Drivers,
    from: &Layered,
) -> Option<u64> {
    let wish = wish?;
    if from.own.is_some() {
        machine.warn("isolde.zram: not used, as what is written is saved on a disk");
        return None;
    }
    let Some(memory) = sys::total_memory(machine.sys()) else {
        machine.warn("isolde.zram: not used, as /proc/meminfo does not say how much memory there is");
        return None;
    };
    let (asked, most) = (wish.of(memory), memory.saturating_mul(MOST));
    if asked > most {
        machine.warn(&format!("isolde.zram: {asked} bytes are more than {MOST} times the memory; it has {most}"));
    }
    match swap(machine, asked.min(most), drivers, from) {
        Ok(size) => Some(size),
        Err(error) => {
            let (doing, cause) = (error.doing, error.cause);
            machine.warn(&format!("isolde.zram: {doing}: {cause}; what is written is not compressed"));
            None
        }
    }
}

fn swap<S: Sys>(machine: &mut Machine<S>, size: u64, drivers: &mut Drivers, from: &Layered) -> Result<u64> {
    drivers.zram(machine, from.layers.layers.iter().rev().map(|layer| layer.at.as_str()))?;
    machine.apply(&[Op::ZramSwap(size)])?;
    let unit = Place::at(UNIT);
    for op in [Op::MakeDir(unit.clone()), Op::Write { at: unit.join("isolde.conf"), text: STAYS.to_owned() }] {
        machine.best_effort(&op, "the system may try to switch the swap space off when it stops");
    }
    Ok(size)
}

/// Where nobody said it. What is in the swap space takes half of it, so that in the end as much memory stays free for programs
/// as without one.
pub(super) fn size_of_tmpfs<S: Sys>(machine: &Machine<S>, zram: Option<u64>) -> Size {
    match zram.zip(sys::total_memory(machine.sys())) {
        Some((zram, memory)) => Size::Bytes(Size::Percent(USUAL).of(memory).saturating_add(zram / 2)),
        None => Size::Percent(USUAL),
    }
}
