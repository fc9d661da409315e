//! Isolde boots operating systems directly from image files.
//!
//! This library is what init and the host share; `isolde-init` is [`boot`] as process 1. The boot is a chain of stages,
//! each one module of [`stages`] with one public function that takes the value of the one before:
//!
//! | stage | gives | does |
//! |---|---|---|
//! | [`early`](stages::early) | `Api` | mounts /proc, /sys, /dev, /run |
//! | [`cmdline`](stages::cmdline) | `Cmdline` | parses the kernel command line as typed |
//! | [`plan`](stages::plan) | `Plan` | decides: defaults, conflicts, dialects; pure |
//! | [`drivers`](stages::drivers) | `Drivers` | loads modules for what is plugged in |
//! | [`store`](stages::store) | `Store` | finds and mounts the file system with the image files |
//! | [`ram`](stages::ram) | `Loaded` | copies what is used of it to memory, where that is wanted |
//! | [`image`](stages::image) | `Image` | opens the image and recognises its format |
//! | [`verify`](stages::verify) | `Verified` | checks it, or has the kernel check each block |
//! | [`family`](stages::family) | `Medium` | mounts the medium, recognises its family |
//! | [`layers`](stages::layers) | `Layers` | mounts the layers |
//! | [`persist`](stages::persist) | `Layered` | finds what earlier sessions saved |
//! | [`root`](stages::root) | `Root` | stacks them below a layer that is written to |
//! | [`extensions`](stages::extensions) | `Extended` | links the ExtensionImages into the root |
//! | [`home`](stages::home) | `Inhabited` | mounts the persistent home |
//! | [`identity`](stages::identity) | `Settled` | does what the family's own initrd would do in the root |
//! | [`customize`](stages::customize) | `Customized` | runs the extensions' programs and the user's script |
//! | [`handoff`](stages::handoff) | never returns | leaves the initramfs, executes the real init |
//!
//! The same program is the way out of the booted system: [`exit`].
//!
//! A family that cannot be taken over goes another way after `family`: [`delegate`](stages::delegate) executes its own init.
//!
//! Deciding is pure and separate from doing; what is done is a list of [`op::Op`] values, and doing goes through the
//! trait [`sys::Sys`].

pub(crate) mod at_exit;
mod console;
mod corruption;
pub mod emergency;
pub mod error;
pub mod exit;
pub mod families;
pub mod formats;
pub mod machine;
mod mount_table;
mod mounting;
pub mod op;
pub mod params;
pub mod secret;
pub mod source;
pub mod stages;
pub mod sys;
pub mod words;

use error::{Result, Stage};
use machine::Machine;
use stages::{
    cmdline, customize, delegate, drivers, early, extensions, family, handoff, home, identity, image, layers, persist,
    plan, ram, root, store, verify,
};
use std::convert::Infallible;
use sys::Sys;

/// Boots. The `Ok` side does not exist: after the last stage another program runs.
pub fn boot<S: Sys>(m: &mut Machine<S>) -> Result<Infallible> {
    let api = m.run(Stage::Early, early::mount)?;
    let cmdline = m.run(Stage::Cmdline, cmdline::read)?;
    let plan = m.run(Stage::Plan, |_| plan::decide(&cmdline))?;
    m.set_verbosity(plan.verbosity);
    let mut drivers = m.run(Stage::Drivers, drivers::load)?;
    let store = m.run(Stage::Store, |m| store::find(m, &plan, &mut drivers))?;
    let loaded = m.run(Stage::Ram, |m| ram::load(m, &plan, store))?;
    let image = m.run(Stage::Image, |m| image::open(m, loaded))?;
    let verified = m.run(Stage::Verify, |m| verify::check(m, &plan, &mut drivers, image))?;
    let medium = m.run(Stage::Family, |m| family::recognise(m, &plan, &mut drivers, verified))?;
    if plan.delegate || medium.wants_delegate() {
        m.set_stage(Stage::Delegate);
        return delegate::enter(m, &plan, &api, &medium);
    }
    let layers = m.run(Stage::Layers, |m| layers::mount(m, &mut drivers, medium))?;
    let layered = m.run(Stage::Persist, |m| persist::find(m, &plan, &mut drivers, layers))?;
    let root = m.run(Stage::Root, |m| root::assemble(m, &plan, &mut drivers, layered))?;
    let extended = m.run(Stage::Extensions, |m| extensions::link(m, &plan, &mut drivers, root))?;
    let inhabited = m.run(Stage::Home, |m| home::mount(m, &plan, &mut drivers, extended))?;
    let settled = m.run(Stage::Identity, |m| Ok(identity::settle(m, &plan, inhabited)))?;
    let customized = m.run(Stage::Customize, |m| customize::run(m, &plan, settled))?;
    m.set_stage(Stage::Handoff);
    handoff::enter(m, &plan, &api, customized)
}
