//! The driver of compressed memory. No device asks for it, and few initrds have it; the image itself nearly always does.

use super::Drivers;
use crate::error::{Cause, Result};
use crate::machine::Machine;
use crate::op::Place;
use crate::sys::Sys;

/// There when the kernel has it (kernel: admin-guide/blockdev/zram.rst).
const CONTROL: &str = "/sys/class/zram-control";
/// What compresses, as distributions choose it (CONFIG_ZRAM_DEF_COMP). Up to kernel 6.11 zram asks for it by name only when a
/// device is made.
const COMPRESSORS: [&str; 2] = ["lzo_rle", "zstd"];

impl Drivers {
    /// Makes swap space in compressed memory possible. The module may come from one of these roots, the first one that has
    /// modules of this kernel.
    pub(in crate::stages) fn zram<'a, S: Sys>(
        &mut self,
        machine: &mut Machine<S>,
        mut roots: impl Iterator<Item = &'a str>,
    ) -> Result<()> {
        let is_there = |machine: &Machine<S>| matches!(machine.sys().kind(&Place::at(CONTROL)), Ok(Some(_)));
        if is_there(machine) {
            return Ok(());
        }
        while self.catalogue.files("zram").is_none() {
            let Some(root) = roots.next() else { break };
            self.catalogue.add_image(machine, root);
        }
        for name in COMPRESSORS.into_iter().chain(["zram"]) {
            self.module(machine, name);
        }
        if is_there(machine) {
            return Ok(());
        }
        let searched = self.catalogue.searched();
        Err(machine.error("prepare compressed memory", Cause::NoDriver { name: "zram".to_owned(), searched }))
    }
}
