//! A plan as lines of text: what is booted, then whatever differs from the defaults, then the words that init
//! understands and does not do yet. Used by `tests/spec.rs` and `tests/cmdlines.rs`.

#![allow(dead_code)] // each test crate that has this module uses another part of it

use isolde::families::find_word;
use isolde::machine::Machine;
use isolde::op::{Op, Place};
use isolde::params::{Extras, HomeWish, Verbosity};
use isolde::source::StoreSpec;
use isolde::stages::plan::{Plan, decide};
use isolde::stages::{cmdline, plan};
use isolde::sys::Sys;
use isolde::sys::record::{Record, Tree, World};
use isolde::words::Does;
use rustix::mount::MountFlags;

/// Parses and decides, as init does. A refusal is one line.
pub fn lines_of(command_line: &str) -> Vec<String> {
    match cmdline::parse(command_line).and_then(|typed| plan::decide(&typed)) {
        Ok(plan) => lines(plan).into_iter().chain(not_yet(command_line)).collect(),
        Err(error) => vec![format!("refused: {error}")],
    }
}

fn not_yet(command_line: &str) -> Vec<String> {
    let short = |warning: String| {
        let name = warning.strip_prefix("cmdline: ")?.split_once(" is understood and not done yet")?.0;
        Some(format!("not yet {name}"))
    };
    warnings_of(command_line).into_iter().map(|warning| short(warning.clone()).unwrap_or(warning)).collect()
}

/// What init warns of when it reads this command line from /proc/cmdline.
pub fn warnings_of(command_line: &str) -> Vec<String> {
    let initramfs = Tree::new().directory("proc");
    let mut record = Record::new(&World { cmdline: command_line.to_owned(), initramfs, ..World::default() });
    let (fstype, source) = ("proc".to_owned(), "proc".to_owned());
    let (target, flags, options) = (Place::at("/proc"), MountFlags::empty(), String::new());
    record.apply(&Op::Mount { fstype, source, target, flags, options }).unwrap();
    let mut machine = Machine::new(record);
    machine.set_stage(isolde::error::Stage::Cmdline);
    cmdline::read(&mut machine).unwrap();
    machine.warnings().to_vec()
}

/// The fields are taken apart by name, so that a new one cannot be forgotten here.
fn lines(plan: Plan) -> Vec<String> {
    let mut lines = vec![plan.to_string()];
    let usual = decide(&cmdline::parse("isolde.image=/x").unwrap()).unwrap();
    let Plan {
        store: _,
        image: _,
        luks,
        luks_key,
        lvm,
        wait,
        policy,
        manifest_min,
        on_corruption,
        digest,
        to_ram,
        overlay_size,
        zram,
        persist,
        other_base,
        persist_keep,
        persist_on,
        persist_size,
        session,
        extensions,
        home,
        home_user,
        home_lease,
        customize,
        program_limit,
        init,
        words,
        delegate,
        verbosity,
    } = plan;
    let mut add = |differs: bool, name: &str, value: String| {
        if differs {
            lines.push(format!("{name} {value}").trim_end().to_owned());
        }
    };
    let luks = luks.iter().map(|spec| if *spec == StoreSpec::Any { "auto".to_owned() } else { spec.to_string() });
    let luks: Vec<String> = luks.collect();
    add(!luks.is_empty(), "luks", luks.join(" "));
    add(luks_key.is_some(), "luks-key", luks_key.unwrap_or_default());
    add(!lvm.is_empty(), "lvm", lvm.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    add(wait != usual.wait, "wait", format!("{} s", wait.as_secs()));
    add(
        digest.is_some(),
        "blake3",
        digest.map(|d| blake3::Hash::from_bytes(d).to_hex().to_string()).unwrap_or_default(),
    );
    add(policy != usual.policy, "verify", policy.word().to_owned());
    add(manifest_min != usual.manifest_min, "manifest-min", manifest_min.to_string());
    add(on_corruption != usual.on_corruption, "oncorruption", on_corruption.word().to_owned());
    add(to_ram != usual.to_ram, "toram", to_ram.word().to_owned());
    add(overlay_size.is_some(), "overlay-size", overlay_size.map(|size| size.to_string()).unwrap_or_default());
    add(zram.is_some(), "zram", zram.map(|size| size.to_string()).unwrap_or_default());
    add(persist != usual.persist, "persist", persist.to_string());
    add(other_base != usual.other_base, "persist-base", other_base.word().to_owned());
    add(persist_keep != usual.persist_keep, "persist-keep", persist_keep.to_string());
    add(persist_on.is_some(), "persist-on", persist_on.map(|spec| spec.to_string()).unwrap_or_default());
    add(persist_size.is_some(), "persist-size", persist_size.map(|bytes| bytes.to_string()).unwrap_or_default());
    add(session != usual.session, "session", session.word().to_owned());
    add(extensions != usual.extensions, "extensions", extras_word(extensions).to_owned());
    add(home != usual.home, "home", home_word(home));
    add(home_user.is_some(), "home-user", home_user.unwrap_or_default());
    add(home_lease != usual.home_lease, "home-lease", home_lease.word().to_owned());
    add(customize != usual.customize, "customize", extras_word(customize).to_owned());
    add(program_limit != usual.program_limit, "customize-limit", format!("{} s", program_limit.as_secs()));
    add(verbosity != usual.verbosity, "log", verbosity_word(verbosity).to_owned());
    add(init.is_some(), "init", init.unwrap_or_default());
    add(delegate, "delegate", "yes".to_owned());
    for (name, value) in words.iter() {
        let choice = find_word(name).is_some_and(|word| word.does == Does::Choice);
        add(choice, name, value.to_owned());
    }
    lines
}

fn extras_word(extras: Extras) -> &'static str {
    match extras {
        Extras::Use => "yes",
        Extras::Leave => "no",
    }
}

fn home_word(home: HomeWish) -> String {
    match home {
        HomeWish::Found => "auto".to_owned(),
        HomeWish::No => "no".to_owned(),
        HomeWish::Path(path) => path,
        HomeWish::Volume(spec) => spec.to_string(),
        HomeWish::Share(share) => share.to_string(),
    }
}

fn verbosity_word(verbosity: Verbosity) -> &'static str {
    match verbosity {
        Verbosity::Info => "info",
        Verbosity::Debug => "debug",
    }
}
