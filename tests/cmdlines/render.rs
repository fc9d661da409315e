//! A plan as lines of text: what is booted, then whatever differs from the defaults. Used by `tests/spec.rs` and
//! `tests/cmdlines.rs`.

use isolde::params::{Extras, HomeWish, Policy, Verbosity};
use isolde::stages::plan::{LiveWords, Plan, decide};
use isolde::stages::{cmdline, plan};

/// Parses and decides, as init does. A refusal is one line.
pub fn lines_of(command_line: &str) -> Vec<String> {
    match cmdline::parse(command_line).and_then(|typed| plan::decide(&typed)) {
        Ok(plan) => lines(plan),
        Err(error) => vec![format!("refused: {error}")],
    }
}

/// The fields are taken apart by name, so that a new one cannot be forgotten here.
fn lines(plan: Plan) -> Vec<String> {
    let mut lines = vec![plan.to_string()];
    let usual = decide(&cmdline::parse("isolde.image=/x").unwrap()).unwrap();
    let Plan {
        store: _,
        image: _,
        wait,
        policy,
        digest,
        overlay_size,
        extensions,
        home,
        customize,
        program_limit,
        init,
        words,
        verbosity,
    } = plan;
    let mut add = |differs: bool, name: &str, value: String| {
        if differs {
            lines.push(format!("{name} {value}"));
        }
    };
    add(wait != usual.wait, "wait", format!("{} s", wait.as_secs()));
    add(
        digest.is_some(),
        "blake3",
        digest.map(|d| blake3::Hash::from_bytes(d).to_hex().to_string()).unwrap_or_default(),
    );
    add(policy != usual.policy, "verify", policy_word(policy).to_owned());
    add(overlay_size != usual.overlay_size, "overlay-size", overlay_size.to_string());
    add(extensions != usual.extensions, "extensions", extras_word(extensions).to_owned());
    add(home != usual.home, "home", home_word(home));
    add(customize != usual.customize, "customize", extras_word(customize).to_owned());
    add(program_limit != usual.program_limit, "customize-limit", format!("{} s", program_limit.as_secs()));
    add(verbosity != usual.verbosity, "log", verbosity_word(verbosity).to_owned());
    let LiveWords { live_media_path, module, nofstab, rd_live_dir, rd_live_squashimg } = words;
    for (name, value) in [
        ("init", init),
        ("live-media-path", live_media_path),
        ("module", module),
        ("nofstab", nofstab),
        ("rd.live.dir", rd_live_dir),
        ("rd.live.squashimg", rd_live_squashimg),
    ] {
        add(value.is_some(), name, value.unwrap_or_default());
    }
    lines
}

fn policy_word(policy: Policy) -> &'static str {
    match policy {
        Policy::Auto => "auto",
        Policy::Require => "require",
        Policy::Off => "off",
    }
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
    }
}

fn verbosity_word(verbosity: Verbosity) -> &'static str {
    match verbosity {
        Verbosity::Info => "info",
        Verbosity::Debug => "debug",
    }
}
