//! What a test gives the fake kernel to begin with, and what happens to it in the course of time.

use super::tree::{Content, Tree};
use crate::sys::{BlockDevice, End, Halt, Space, User};
use std::collections::BTreeMap;
use std::time::Duration;

/// The machine before the boot.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The kernel command line.
    pub cmdline: String,
    /// The kernel's version, as in /proc/sys/kernel/osrelease.
    pub release: String,
    /// Where the program of process 1 is; `None` means `/init`.
    pub own_path: Option<String>,
    /// How much time passes whenever somebody looks at the clock: a machine on which work takes long.
    pub tick: Duration,
    /// What the machine's clock says, in seconds since 1970; `None` for some time in 2027.
    pub wall_clock: Option<u64>,
    /// What every file system has room for; `None` for plenty.
    pub space: Option<Space>,
    /// Arguments of process 1, without its name.
    pub arguments: Vec<String>,
    /// What the kernel unpacked at /.
    pub initramfs: Tree,
    /// File systems, `loop`, code pages (`nls_cp437`) targets of the device mapper (`dm-linear`) and `zram` that the kernel
    /// has without a module, besides the virtual ones.
    pub built_in: Vec<String>,
    /// Modules by name, `_` for `-`.
    pub modules: BTreeMap<String, Module>,
    /// What is plugged in, and what comes and goes, in any order.
    pub arrivals: Vec<Arrival>,
    /// What other machines share, by tag or address, as the driver is given it.
    pub shares: BTreeMap<String, Tree>,
    /// /proc/net/route: empty without a network.
    pub routes: String,
    /// Devices that no driver takes, by modalias.
    pub without_driver: Vec<String>,
    /// The kernel writes to no console.
    pub without_console: bool,
    /// Processes of the running system that keep files open.
    pub users: Vec<User>,
    /// What process 1 asks the kernel for in the end; `None` where it cannot be waited for.
    pub end: Option<Halt>,
    /// Programs of the new root, by path. Others end at once with status 0.
    pub programs: BTreeMap<String, Behaviour>,
}

/// What a kernel module does.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Modules without which it does not load (unknown symbols).
    pub needs: Vec<String>,
    /// File systems, `loop` or code pages that it brings.
    pub provides: Vec<String>,
    /// The errno of its own refusal, for example ENODEV where its hardware is missing.
    pub refuses: Option<i32>,
}

/// Something happens to the devices.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Not before this time since the kernel's start.
    pub at: Duration,
    /// Not before this module is loaded.
    pub driver: Option<String>,
    /// What.
    pub what: Arrives,
    /// How it is told.
    pub told: Told,
}

impl Arrival {
    /// It is there from the start.
    pub fn now(what: Arrives) -> Arrival {
        Arrival { at: Duration::ZERO, driver: None, what, told: Told::Event }
    }

    /// It comes so many seconds after the kernel's start.
    #[must_use]
    pub fn after(self, seconds: u64) -> Arrival {
        Arrival { at: Duration::from_secs(seconds), ..self }
    }

    /// It comes when this module is loaded, not before.
    #[must_use]
    pub fn needing(self, driver: &str) -> Arrival {
        Arrival { driver: Some(driver.to_owned()), ..self }
    }

    /// The kernel drops the event, and says that it dropped one.
    #[must_use]
    pub fn lost(self) -> Arrival {
        Arrival { told: Told::Lost, ..self }
    }
}

/// What comes or goes.
#[derive(Clone, Debug)]
pub enum Arrives {
    /// A block device with what is on it.
    Device(BlockDevice, Content),
    /// A device that wants a driver.
    Modalias(String),
    /// A block device is pulled out.
    Gone(String),
    /// Somebody types this at a console; nobody reads it while no console is open.
    Typed(String),
}

/// How an arrival is told to who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// By its own event.
    Event,
    /// By [`Event::Lost`](crate::sys::Event::Lost).
    Lost,
}

/// What a program of the new root does.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// What it prints.
    pub prints: Vec<String>,
    /// How it ends.
    pub end: End,
}
