//! Stage 3: what will be done. Pure.
//!
//! Takes   the command line as typed.
//! Gives   [`Plan`]: one source for the image, with defaults filled in and every dialect translated.
//! Leaves  the machine alone.
//! Fails   when nothing names an image, or two words name different ones. See cmdline-spec.md, "Which image".

pub mod render;

use crate::error::{Cause, Error, Failure, Result, Stage};
use crate::families::{FAMILIES, find_word};
use crate::formats::lvm::VolumeName;
use crate::params::{
    self, Cmdline, Extras, HomeWish, LeaseWish, OnCorruption, OtherBase, PersistWish, Policy, Session, Size, ToRam,
    Verbosity,
};
use crate::source::{ImageSpec, Named, StoreSpec};
use crate::words::{Does, Words};
use std::fmt;
use std::time::Duration;

/// What will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How the store is recognised.
    pub store: StoreSpec,
    /// What is booted from it.
    pub image: ImageSpec,
    /// LUKS volumes that may be opened to find it; `Any` stands for every one on a removable device.
    pub luks: Vec<StoreSpec>,
    /// The file of the initramfs that is tried as their key.
    pub luks_key: Option<String>,
    /// Logical volumes that may be made to find it.
    pub lvm: Vec<VolumeName>,
    /// How long to wait for the store.
    pub wait: Duration,
    /// How strictly proof is asked for. The store can ask for more.
    pub policy: Policy,
    /// The serial number of the oldest manifest that may be used.
    pub manifest_min: u64,
    /// What the kernel does with a block that is not the one that was sealed.
    pub on_corruption: OnCorruption,
    /// The image's BLAKE3, when the command line names it.
    pub digest: Option<[u8; 32]>,
    /// Whether what is booted is copied to memory first.
    pub to_ram: ToRam,
    /// Size of the tmpfs that takes all writes; `None` for half of the memory, and more where `zram` is.
    pub overlay_size: Option<Size>,
    /// Size of the swap space in compressed memory.
    pub zram: Option<Size>,
    /// Whether what is written outlives the boot.
    pub persist: PersistWish,
    /// What becomes of a profile of another image.
    pub other_base: OtherBase,
    /// How many sessions of a profile stay apart; older ones are merged.
    pub persist_keep: usize,
    /// The device that it is saved on, where that is not the store.
    pub persist_on: Option<StoreSpec>,
    /// Bytes that the image file for it is to have: it is made where there is no place, and grown where it is smaller.
    pub persist_size: Option<u64>,
    /// What becomes of this session.
    pub session: Session,
    /// Whether the store's ExtensionImages are used.
    pub extensions: Extras,
    /// What was asked for the home directory.
    pub home: HomeWish,
    /// The folder of the home that is the live user's own home; `.` is the home itself.
    pub home_user: Option<String>,
    /// What becomes of somebody else's lease on a shared home.
    pub home_lease: LeaseWish,
    /// Whether /boot/customize/init runs.
    pub customize: Extras,
    /// How long each program in the new root may take.
    pub program_limit: Duration,
    /// The real init, when named.
    pub init: Option<String>,
    /// The words of the families' own dialects.
    pub words: Words,
    /// Whether the distribution's own init boots, with the image as a device.
    pub delegate: bool,
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
        luks: c.luks,
        luks_key: c.luks_key,
        lvm: c.lvm,
        wait: Duration::from_secs(c.wait.unwrap_or(60)), // slow USB hubs and card readers need up to half a minute
        policy: c.verify.unwrap_or_default(),
        manifest_min: c.manifest_min.unwrap_or_default(),
        on_corruption: c.on_corruption.unwrap_or_default(),
        digest: c.blake3,
        to_ram: c.to_ram.unwrap_or_else(|| to_ram(&c.dialects)),
        overlay_size: c.overlay_size.or_else(|| overlay_size(&c.dialects)),
        zram: c.zram,
        persist: match c.persist {
            _ if pristine => PersistWish::No,
            Some(wish) => wish,
            None if c.dialects.asks(Does::Persist) => PersistWish::IfThere,
            None => PersistWish::No,
        },
        other_base: c.other_base.unwrap_or_default(),
        persist_keep: c.persist_keep.and_then(|keep| keep.try_into().ok()).unwrap_or(8), // a week of work and a day
        persist_on: c.persist_on,
        persist_size: c.persist_size,
        session: c.session.unwrap_or_else(|| session(&c.dialects)),
        extensions: extras(c.extensions),
        home: if pristine { HomeWish::No } else { c.home.unwrap_or_default() },
        home_user: c.home_user,
        home_lease: c.home_lease.unwrap_or_default(),
        customize: extras(c.customize),
        program_limit: Duration::from_secs(c.customize_limit.unwrap_or(60)),
        init: c.init,
        words: c.dialects.for_the_family(),
        delegate: c.delegate,
        verbosity: c.log.unwrap_or_default(),
    })
}

/// By the dialects' words; `None` where none says it in a form that is understood.
fn overlay_size(words: &Words) -> Option<Size> {
    let said = |does| words.iter().find(move |(name, _)| find_word(name).is_some_and(|word| word.does == does));
    let plain = said(Does::OverlaySize).map(|(_, value)| value.to_owned());
    // dracut and kiwi count in MiB where there is no unit.
    let mib = said(Does::OverlayMib).map(|(_, value)| {
        if value.bytes().all(|b| b.is_ascii_digit()) { [value, "M"].concat() } else { value.to_owned() }
    });
    params::size(&plain.or(mib)?)
}

/// By the dialects' words.
fn session(words: &Words) -> Session {
    if words.asks(Does::Discard) { Session::Discard } else { Session::Save }
}

/// By the dialects' words: any of them that does not say no.
fn to_ram(words: &Words) -> ToRam {
    let is_one = |name: &str| find_word(name).is_some_and(|word| word.does == Does::ToRam) && words.is_set(name);
    let named: Vec<&str> = words.iter().filter(|(name, _)| is_one(name)).map(|(_, value)| value).collect();
    match named.iter().all(|value| *value == "auto") {
        _ if named.is_empty() => ToRam::No,
        true => ToRam::Auto,
        false => ToRam::Yes,
    }
}

/// Which store and which image. `isolde.*` words overrule the dialects; dialects must agree.
fn source(c: &Cmdline) -> Result<(StoreSpec, ImageSpec)> {
    // The table's own check has accepted the form.
    let asked = c.store.as_deref().and_then(StoreSpec::parse);
    if let Some(path) = &c.image {
        return Ok((asked.unwrap_or(StoreSpec::Any), ImageSpec::File(path.clone())));
    }
    let named: Vec<Named> = FAMILIES.iter().flat_map(|family| (family.sources)(&c.dialects)).collect();
    let files = || named.iter().filter_map(|named| named.path().map(|path| (named, path)));
    if let Some((first, path)) = files().next() {
        if let Some((other, _)) =
            files().find(|(_, other)| other.trim_start_matches('/') != path.trim_start_matches('/'))
        {
            let typed = |named: &Named| named.word.escape_debug().to_string();
            return Err(fail(Cause::Conflict { one: typed(first), other: typed(other) }));
        }
        let by_dialect = files().map(|(named, _)| &named.store).find(|store| **store != StoreSpec::Any);
        let store = asked.or_else(|| by_dialect.cloned()).unwrap_or(StoreSpec::Any);
        return Ok((store, ImageSpec::File(path.to_owned())));
    }
    // A medium that is named by an identity comes before one that is only known to be live.
    let medium = named.iter().find(|named| named.store != StoreSpec::Any).or(named.first());
    match asked.or_else(|| medium.map(|medium| medium.store.clone())) {
        Some(store) => Ok((store, ImageSpec::Medium)),
        None => Err(fail(Cause::NothingAsked)),
    }
}

fn fail(cause: Cause) -> Error {
    Box::new(Failure { stage: Stage::Plan, doing: "decide which image to boot".into(), cause })
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
}
