//! Process 1, and the program that the kernel calls when it wants a module.

use isolde::emergency::emergency;
use isolde::machine::Machine;
use isolde::stages::drivers;
use isolde::sys::linux::{Linux, last_net};

fn main() {
    let mut machine = Machine::new(Linux::new());
    if std::process::id() != 1 {
        // As `modprobe -q -- NAME` (kernel/module/kmod.c).
        let asked = std::env::args().next_back().unwrap_or_default();
        std::process::exit(drivers::answer(&mut machine, &asked).is_err().into());
    }
    last_net();
    let Err(error) = isolde::boot(&mut machine);
    emergency(machine, &error)
}
