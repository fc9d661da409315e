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
//! | [`image`](stages::image) | `Image` | opens the image and recognises its format |
//! | [`verify`](stages::verify) | `Verified` | checks its BLAKE3 |
//! | [`layers`](stages::layers) | `Layers` | recognises the family, mounts the layers |
//! | [`root`](stages::root) | `Root` | stacks them below a tmpfs |
//! | [`extensions`](stages::extensions) | `Extended` | links the ExtensionImages into the root |
//! | [`home`](stages::home) | `Inhabited` | mounts the persistent home |
//! | [`customize`](stages::customize) | `Customized` | runs the extensions' programs and the user's script |
//! | [`handoff`](stages::handoff) | never returns | leaves the initramfs, executes the real init |
//!
//! Deciding is pure and separate from doing; what is done is a list of [`op::Op`] values, and doing goes through the
//! trait [`sys::Sys`].

pub mod emergency;
pub mod error;
pub mod families;
pub mod formats;
pub mod machine;
mod mounting;
pub mod op;
pub mod params;
pub mod stages;
pub mod sys;

use error::{Result, Stage};
use machine::Machine;
use stages::{cmdline, customize, drivers, early, extensions, handoff, home, image, layers, plan, root, store, verify};
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
    let image = m.run(Stage::Image, |m| image::open(m, &plan, store))?;
    let verified = m.run(Stage::Verify, |m| verify::check(m, &plan, image))?;
    let layers = m.run(Stage::Layers, |m| layers::mount(m, &plan, &mut drivers, verified))?;
    let root = m.run(Stage::Root, |m| root::assemble(m, &plan, &mut drivers, layers))?;
    let extended = m.run(Stage::Extensions, |m| extensions::link(m, &plan, &mut drivers, root))?;
    let inhabited = m.run(Stage::Home, |m| home::mount(m, &plan, &mut drivers, extended))?;
    let customized = m.run(Stage::Customize, |m| customize::run(m, &plan, inhabited))?;
    m.set_stage(Stage::Handoff);
    handoff::enter(m, &plan, &api, customized)
}
