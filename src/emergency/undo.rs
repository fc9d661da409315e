//! Takes back what the failed attempt mounted, so that the next one finds the machine as the kernel started it.

use crate::machine::Machine;
use crate::mount_table;
use crate::op::{Op, Place};
use crate::stages::early::API_MOUNTS;
use crate::sys::{self, Level, Sys};

/// Everything that is mounted, but for the API file systems, the last one first. Loop devices let go by themselves.
pub(super) fn undo<S: Sys>(machine: &mut Machine<S>) {
    let text = match sys::read(machine.sys(), &Place::at("/proc/mounts"), 1 << 20) {
        Ok(text) => text,
        Err(error) => return machine.sys_mut().log(Level::Warning, &format!("read /proc/mounts: {error}")),
    };
    for at in ours(&String::from_utf8_lossy(&text)) {
        // What stays mounted is in the way of the next attempt, which then says so.
        machine.best_effort(&Op::Detach(Place::at(at)), "it stays mounted");
    }
}

/// The mount points, in the order in which they are to go. Pure.
fn ours(mounts: &str) -> Vec<String> {
    let is_api = |at: &str| at == "/" || API_MOUNTS.iter().any(|(_, target, _)| *target == at);
    let mut all: Vec<String> = mount_table::points(mounts).filter(|at| !is_api(at)).collect();
    all.reverse();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mount_goes_first_and_the_api_stays() {
        let mounts = "rootfs / rootfs rw 0 0\nproc /proc proc rw 0 0\ntmpfs /run tmpfs rw 0 0\n\
                      /dev/sda1 /run/isolde/store ext4 ro 0 0\n/dev/loop0 /run/my\\040place/a\\134b squashfs ro 0 0\n";
        assert_eq!(ours(mounts), ["/run/my place/a\\b", "/run/isolde/store"]);
    }
}
