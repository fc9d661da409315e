//! Devices, drivers and time of the fake kernel.
//!
//! Takes   the arrivals of a world and the modules that are loaded.
//! Gives   the devices that are there now, and an event for each change since somebody listens.

use super::tree::Content;
use super::world::{Arrival, Arrives, Module, Told, World};
use crate::sys::{BlockDevice, Bus, Event};
use rustix::io::Errno;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// What every kernel has.
const VIRTUAL: [&str; 5] = ["proc", "sysfs", "devtmpfs", "tmpfs", "ramfs"];

/// A block device that is plugged in.
#[derive(Clone, Debug)]
pub(super) struct Plugged {
    pub(super) device: BlockDevice,
    pub(super) content: Arc<Content>,
}

/// See the module's own text.
#[derive(Debug)]
pub(super) struct Devices {
    pub(super) now: Duration,
    /// Passed while somebody looked at the clock.
    ticked: Cell<Duration>,
    tick: Duration,
    coming: Vec<Arrival>,
    pub(super) plugged: BTreeMap<String, Plugged>,
    /// How many were plugged in so far.
    count: u64,
    pub(super) modaliases: BTreeSet<String>,
    events: Option<Vec<Event>>,
    pub(super) consoles_open: bool,
    pub(super) without_console: bool,
    known: BTreeSet<String>,
    modules: BTreeMap<String, Module>,
    loaded: BTreeSet<String>,
}

impl Devices {
    pub(super) fn new(world: &World) -> Devices {
        let mut coming = world.arrivals.clone();
        coming.sort_by_key(|arrival| arrival.at);
        let known = VIRTUAL.iter().map(|name| (*name).to_owned()).chain(world.built_in.iter().cloned()).collect();
        let mut devices = Devices {
            now: Duration::ZERO,
            ticked: Cell::default(),
            tick: world.tick,
            coming,
            plugged: BTreeMap::new(),
            count: 0,
            modaliases: BTreeSet::new(),
            events: None,
            consoles_open: false,
            without_console: world.without_console,
            known,
            modules: world.modules.clone(),
            loaded: BTreeSet::new(),
        };
        devices.advance(Duration::ZERO);
        devices
    }

    /// Whether the kernel has this file system, `loop`, or code page by now.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    /// /proc/filesystems.
    pub(super) fn file_systems(&self) -> String {
        let line = |name: &String| {
            let nodev = VIRTUAL.contains(&name.as_str()) || name == "overlay";
            format!("{}\t{name}\n", if nodev { "nodev" } else { "" })
        };
        let other = ["nls_", "dm-"];
        let is_one = |name: &&String| {
            !matches!(name.as_str(), "loop" | "zram") && !other.iter().any(|kind| name.starts_with(kind))
        };
        self.known.iter().filter(is_one).map(line).collect()
    }

    /// Whether nothing more will ever happen.
    pub(super) fn is_over(&self) -> bool {
        self.events.as_ref().is_none_or(Vec::is_empty) && !self.coming.iter().any(|arrival| self.has_driver(arrival))
    }

    /// One that comes within a second has shown up at its hub already.
    pub(super) fn is_usb_disk_coming(&self) -> bool {
        let soon = self.now.saturating_add(Duration::from_secs(1));
        let is_one = |arrival: &Arrival| matches!(&arrival.what, Arrives::Device(device, _) if device.bus == Bus::Usb);
        self.coming.iter().any(|arrival| is_one(arrival) && arrival.at <= soon && self.has_driver(arrival))
    }

    /// Names of the modules that are loaded, with `_`.
    pub(super) fn loaded(&self) -> impl Iterator<Item = &str> {
        self.loaded.iter().map(String::as_str)
    }

    pub(super) fn listen(&mut self) {
        self.events.get_or_insert_default();
    }

    /// The time, a tick after it was last asked for.
    pub(super) fn clock(&self) -> Duration {
        self.ticked.set(self.ticked.get().saturating_add(self.tick));
        self.now.saturating_add(self.ticked.get())
    }

    /// Lets time pass until something is told, at most this long.
    pub(super) fn wait(&mut self, limit: Duration) -> io::Result<Vec<Event>> {
        self.advance(self.now.saturating_add(self.ticked.take()));
        let end = self.now.saturating_add(limit);
        if self.events.is_none() && !self.consoles_open {
            return Err(Errno::NOTCONN.into());
        }
        if self.events.as_ref().is_none_or(Vec::is_empty) {
            let next = self.coming.iter().filter(|arrival| self.has_driver(arrival)).map(|arrival| arrival.at).min();
            self.advance(next.map_or(end, |at| at.clamp(self.now, end)));
        }
        Ok(self.events.as_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, to: Duration) {
        self.now = self.now.max(to);
        for arrival in std::mem::take(&mut self.coming) {
            if arrival.at > self.now || !self.has_driver(&arrival) {
                self.coming.push(arrival);
                continue;
            }
            let event = match arrival.what {
                Arrives::Device(device, content) => {
                    self.count += 1;
                    let device = BlockDevice { sequence: Some(self.count), ..device };
                    let content = Arc::new(content);
                    self.plugged.insert(device.name.clone(), Plugged { device, content });
                    Event::Block
                }
                Arrives::Gone(name) => {
                    self.plugged.remove(&name);
                    Event::Block
                }
                Arrives::Typed(text) => {
                    if self.consoles_open {
                        self.events.get_or_insert_default().push(Event::Typed { bytes: text.into_bytes() });
                    }
                    continue;
                }
                Arrives::Modalias(modalias) => {
                    self.modaliases.insert(modalias.clone());
                    Event::Device { modalias }
                }
            };
            if let Some(events) = &mut self.events {
                events.push(if arrival.told == Told::Lost { Event::Lost } else { event });
            }
        }
    }

    /// The kernel made a device.
    pub(super) fn made(&mut self, plugged: Plugged) {
        self.plugged.insert(plugged.device.name.clone(), plugged);
        self.events.iter_mut().for_each(|events| events.push(Event::Block));
    }

    /// The kernel took one away.
    pub(super) fn unplug(&mut self, name: &str) {
        self.plugged.remove(name);
        self.events.iter_mut().for_each(|events| events.push(Event::Block));
    }

    fn has_driver(&self, arrival: &Arrival) -> bool {
        arrival.driver.as_ref().is_none_or(|driver| self.loaded.contains(driver))
    }

    /// Loads a module by its file's name.
    pub(super) fn load(&mut self, file: &str) -> io::Result<()> {
        let name = file.rsplit('/').next().unwrap_or(file);
        let name = name.split_once(".ko").map_or(name, |(name, _)| name).replace('-', "_");
        if self.loaded.contains(&name) {
            return Ok(());
        }
        let module = self.modules.get(&name).cloned().unwrap_or_default();
        if module.needs.iter().any(|needed| !self.loaded.contains(needed)) {
            return Err(Errno::NOENT.into()); // unknown symbol
        }
        if let Some(errno) = module.refuses {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.loaded.insert(name);
        self.known.extend(module.provides);
        self.advance(self.now);
        Ok(())
    }
}
