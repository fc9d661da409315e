//! Stage 3: what will be done. Pure.
//!
//! Takes   the command line as typed.
//! Gives   [`Plan`]: one source for the image, with defaults filled in and every dialect translated.
//! Leaves  the machine alone.
//! Fails   when nothing names an image, or two words name different ones. See cmdline-spec.md, "Which image".

use crate::error::{Cause, Error, Result, Stage};
use crate::op::Quoted;
use crate::params::{Cmdline, Extras, HomeWish, Policy, Size, Verbosity};
use std::fmt;
use std::time::Duration;

/// How the store is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSpec {
    /// By the file system's UUID, as blkid prints it; letters' case does not count.
    Uuid(String),
    /// By the file system's label.
    Label(String),
    /// By the partition's UUID.
    PartUuid(String),
    /// By the partition's name (GPT).
    PartLabel(String),
    /// By its name below /dev.
    Device(String),
    /// By what is in it.
    Any,
}

impl fmt::Display for StoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreSpec::Uuid(id) => write!(f, "UUID={id}"),
            StoreSpec::Label(label) => write!(f, "LABEL={label}"),
            StoreSpec::PartUuid(id) => write!(f, "PARTUUID={id}"),
            StoreSpec::PartLabel(label) => write!(f, "PARTLABEL={label}"),
            StoreSpec::Device(name) => write!(f, "/dev/{name}"),
            StoreSpec::Any => f.write_str("any device"),
        }
    }
}

/// What is booted from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSpec {
    /// This file, by its path from the store's root.
    File(String),
    /// The store itself: an ISO written to the device as it is, or a CD.
    Medium,
}

impl fmt::Display for ImageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageSpec::File(path) => write!(f, "{}", Quoted(path)),
            ImageSpec::Medium => f.write_str("the medium itself"),
        }
    }
}

/// Words of the families' own dialects that choose what inside the medium is booted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveWords {
    /// live-boot: `live-media-path=`.
    pub live_media_path: Option<String>,
    /// live-boot: `module=`.
    pub module: Option<String>,
    /// live-boot: `nofstab` or `skipconfig`, whichever was typed.
    pub nofstab: Option<String>,
    /// dracut: `rd.live.dir=`.
    pub rd_live_dir: Option<String>,
    /// dracut: `rd.live.squashimg=`.
    pub rd_live_squashimg: Option<String>,
}

/// What will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How the store is recognised.
    pub store: StoreSpec,
    /// What is booted from it.
    pub image: ImageSpec,
    /// How long to wait for the store.
    pub wait: Duration,
    /// How strictly the checksum is asked for.
    pub policy: Policy,
    /// The image's BLAKE3, when the command line names it.
    pub digest: Option<[u8; 32]>,
    /// Size of the tmpfs that takes all writes.
    pub overlay_size: Size,
    /// Whether the store's ExtensionImages are used.
    pub extensions: Extras,
    /// What was asked for the home directory.
    pub home: HomeWish,
    /// Whether /boot/customize/init runs.
    pub customize: Extras,
    /// How long each program in the new root may take.
    pub program_limit: Duration,
    /// The real init, when named.
    pub init: Option<String>,
    /// The families' own words.
    pub words: LiveWords,
    /// How much goes to the log.
    pub verbosity: Verbosity,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "boot {} from {}", self.image, self.store)
    }
}

/// Decides. Pure.
pub fn decide(cmdline: &Cmdline) -> Result<Plan> {
    let (store, image) = source(cmdline)?;
    if let (Some(_), ImageSpec::Medium) = (cmdline.blake3, &image) {
        // A digest that was asked for and cannot be compared must not pass for compared.
        return Err(fail(Cause::Conflict { one: "isolde.blake3=".into(), other: "booting the medium itself".into() }));
    }
    let c = cmdline.clone();
    let pristine = c.pristine.is_some();
    let extras = |wish: Option<Extras>| if pristine { Extras::Leave } else { wish.unwrap_or_default() };
    Ok(Plan {
        store,
        image,
        wait: Duration::from_secs(c.wait.unwrap_or(60)), // slow USB hubs and card readers need up to half a minute
        policy: c.verify.unwrap_or_default(),
        digest: c.blake3,
        overlay_size: c.overlay_size.unwrap_or(Size::Percent(50)), // what live-boot and tmpfs itself take
        extensions: extras(c.extensions),
        home: if pristine { HomeWish::No } else { c.home.unwrap_or_default() },
        customize: extras(c.customize),
        program_limit: Duration::from_secs(c.customize_limit.unwrap_or(60)),
        init: c.init,
        words: LiveWords {
            live_media_path: c.live_media_path,
            module: c.module,
            nofstab: c.nofstab,
            rd_live_dir: c.rd_live_dir,
            rd_live_squashimg: c.rd_live_squashimg,
        },
        verbosity: c.log.unwrap_or_default(),
    })
}

/// Which store and which image. `isolde.*` words overrule the dialects; two dialects must agree.
fn source(c: &Cmdline) -> Result<(StoreSpec, ImageSpec)> {
    let asked = c.store.as_deref().map(spec);
    if let Some(path) = &c.image {
        return Ok((asked.unwrap_or(StoreSpec::Any), ImageSpec::File(path.clone())));
    }
    let fromiso = c.fromiso.as_deref().map(fromiso);
    let named: Vec<(String, StoreSpec, &str)> = [
        c.findiso.as_deref().map(|path| (format!("findiso={path}"), StoreSpec::Any, path)),
        c.fromiso
            .as_deref()
            .zip(fromiso.as_ref())
            .map(|(word, (store, path))| (format!("fromiso={word}"), store.clone(), path.as_str())),
        c.iso_scan.as_deref().map(|path| (format!("iso-scan/filename={path}"), StoreSpec::Any, path)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let [first, rest @ ..] = named.as_slice() {
        if let Some(other) =
            rest.iter().find(|other| other.2.trim_start_matches('/') != first.2.trim_start_matches('/'))
        {
            return Err(fail(Cause::Conflict { one: first.0.clone(), other: other.0.clone() }));
        }
        let by_dialect = named.iter().map(|(_, store, _)| store).find(|store| **store != StoreSpec::Any);
        let store = asked.or_else(|| by_dialect.cloned()).unwrap_or(StoreSpec::Any);
        return Ok((store, ImageSpec::File(first.2.to_owned())));
    }
    if let Some(live) = live_root(c) {
        return Ok((asked.unwrap_or(live), ImageSpec::Medium));
    }
    match (asked, c.boot.as_deref()) {
        (Some(store), _) => Ok((store, ImageSpec::Medium)),
        (None, Some("live")) => Ok((StoreSpec::Any, ImageSpec::Medium)),
        _ => Err(fail(Cause::NothingAsked)),
    }
}

fn fail(cause: Cause) -> Error {
    Error { stage: Stage::Plan, doing: "decide which image to boot".into(), cause }
}

/// dracut's `root=live:SPEC`, or a plain `root=SPEC` together with `rd.live.image` (dracut.cmdline(7)).
fn live_root(c: &Cmdline) -> Option<StoreSpec> {
    let root = c.root.as_deref()?;
    let live = match root.strip_prefix("live:") {
        Some(live) => live,
        None if c.rd_live_image.is_some() && (root.starts_with("CDLABEL=") || is_spec(root)) => root,
        None => return None,
    };
    match live.strip_prefix("CDLABEL=") {
        Some(label) => Some(StoreSpec::Label(label.to_owned())),
        None => is_spec(live).then(|| spec(live)),
    }
}

fn is_spec(text: &str) -> bool {
    text.starts_with("/dev/") || ["UUID=", "LABEL=", "PARTUUID=", "PARTLABEL="].iter().any(|key| text.starts_with(key))
}

/// A device by identity or node. udev's links below /dev/disk are identities too; nothing makes those links here.
fn spec(text: &str) -> StoreSpec {
    let rest = |key: &str| text.strip_prefix(key).map(str::to_owned);
    let by = |key: &str| rest(key).map(|name| unescape(&name));
    None.or_else(|| rest("UUID=").or_else(|| by("/dev/disk/by-uuid/")).map(StoreSpec::Uuid))
        .or_else(|| rest("LABEL=").or_else(|| by("/dev/disk/by-label/")).map(StoreSpec::Label))
        .or_else(|| rest("PARTUUID=").or_else(|| by("/dev/disk/by-partuuid/")).map(StoreSpec::PartUuid))
        .or_else(|| rest("PARTLABEL=").or_else(|| by("/dev/disk/by-partlabel/")).map(StoreSpec::PartLabel))
        .unwrap_or_else(|| StoreSpec::Device(text.strip_prefix("/dev/").unwrap_or(text).to_owned()))
}

/// udev writes unusual bytes in link names as `\x20` (systemd.unit(5), udev(7) on by-label).
fn unescape(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name;
    while let Some(at) = rest.find("\\x") {
        let (before, escape) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        match escape.get(2..4).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = escape.get(4..).unwrap_or_default();
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// live-boot's `fromiso=`: `[TYPE:]` device, directly followed by the path; antiX's form is the path alone.
fn fromiso(text: &str) -> (StoreSpec, String) {
    let text = match text.split_once(':') {
        Some((kind, rest)) if rest.starts_with('/') && !kind.contains('/') => rest,
        _ => text,
    };
    let Some(below_dev) = text.strip_prefix("/dev/") else {
        return (StoreSpec::Any, text.to_owned());
    };
    // The device is one component below /dev, but deeper for the folders that hold links and mapped devices.
    let depth = match below_dev.split('/').next() {
        Some("disk") => 3,
        Some("mapper" | "md" | "block") => 2,
        _ => 1,
    };
    let cut = below_dev.match_indices('/').nth(depth - 1).map_or(below_dev.len(), |(at, _)| at);
    let (device, path) = below_dev.split_at(cut);
    (spec(&format!("/dev/{device}")), path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::cmdline::parse;

    fn plan(line: &str) -> Plan {
        decide(&parse(line).unwrap()).unwrap()
    }

    #[test]
    fn every_dialect_names_the_same_image() {
        let (any, file) = (StoreSpec::Any, ImageSpec::File("/boot/iso/x.iso".into()));
        for line in [
            "isolde.image=/boot/iso/x.iso",
            "boot=live findiso=/boot/iso/x.iso components",
            "root=live:CDLABEL=Fedora rd.live.image iso-scan/filename=/boot/iso/x.iso",
            "fromiso=/boot/iso/x.iso",
            "findiso=/boot/iso/x.iso iso-scan/filename=boot/iso/x.iso",
        ] {
            let plan = plan(line);
            assert_eq!(plan.store, any, "{line}");
            assert!(plan.image == file, "{line}");
        }
    }

    #[test]
    fn stores_are_named_in_every_form() {
        for (line, store) in [
            ("isolde.image=/x isolde.store=UUID=ab-cd", StoreSpec::Uuid("ab-cd".into())),
            ("isolde.image=/x isolde.store=/dev/sda1", StoreSpec::Device("sda1".into())),
            ("isolde.image=/x isolde.store=/dev/disk/by-label/MY\\x20STICK", StoreSpec::Label("MY STICK".into())),
            ("fromiso=/dev/sda1/isos/x.iso", StoreSpec::Device("sda1".into())),
            ("fromiso=ext4:/dev/disk/by-uuid/12-34/x.iso", StoreSpec::Uuid("12-34".into())),
            ("fromiso=/dev/mapper/vg-lv/x.iso", StoreSpec::Device("mapper/vg-lv".into())),
            ("root=live:CDLABEL=F rd.live.image", StoreSpec::Label("F".into())),
            ("root=CDLABEL=F rd.live.image", StoreSpec::Label("F".into())),
            ("root=live:UUID=2026-11-21-00-00-00-00", StoreSpec::Uuid("2026-11-21-00-00-00-00".into())),
            ("boot=live components", StoreSpec::Any),
        ] {
            assert_eq!(plan(line).store, store, "{line}");
        }
        assert_eq!(plan("fromiso=/dev/sda1/isos/x.iso").image, ImageSpec::File("/isos/x.iso".into()));
        assert_eq!(plan("root=live:CDLABEL=F").image, ImageSpec::Medium);
    }

    #[test]
    fn two_words_for_two_images_are_refused_by_name() {
        let error = decide(&parse("findiso=/a.iso iso-scan/filename=/b.iso").unwrap()).unwrap_err();
        assert!(matches!(error.cause, Cause::Conflict { .. }), "{error}");
        assert!(plan("findiso=/a.iso isolde.image=/b.iso").image == ImageSpec::File("/b.iso".into()));
    }

    #[test]
    fn without_an_image_there_is_no_plan() {
        for line in ["", "quiet splash", "root=/dev/sda2 ro", "boot=local", "root=UUID=1-2 ro"] {
            let error = decide(&parse(line).unwrap()).unwrap_err();
            assert!(matches!(error.cause, Cause::NothingAsked), "{line}: {error}");
        }
    }

    #[test]
    fn a_digest_that_cannot_be_compared_is_refused() {
        let line = format!("boot=live isolde.blake3={}", "ab".repeat(32));
        assert!(matches!(decide(&parse(&line).unwrap()).unwrap_err().cause, Cause::Conflict { .. }));
    }

    #[test]
    fn pristine_adds_nothing() {
        let plan = plan("findiso=/x isolde.pristine isolde.home=/home isolde.customize=yes");
        assert_eq!((plan.extensions, plan.home, plan.customize), (Extras::Leave, HomeWish::No, Extras::Leave));
    }

    #[test]
    fn half_an_escape_stays_as_it_is() {
        assert_eq!(unescape("a\\x2"), "a\\x2");
        assert_eq!(unescape("\\xzz\\x41"), "\\xzzA");
    }
}
