//! What is rendered and parsed again is the same plan.

use super::*;
use crate::families::FAMILIES;
use crate::params::Size;
use crate::params::{LeaseWish, OnCorruption, OtherBase, PersistWish, Policy, Session, ToRam};
use crate::source::Share;
use crate::stages::cmdline::parse;
use crate::words::{Does, Words};
use proptest::prelude::*;
use std::time::Duration;

fn plan(line: &str) -> Plan {
    decide(&parse(line).unwrap()).unwrap()
}

fn again(plan: &Plan) -> Plan {
    let line = plan.to_cmdline();
    let parsed = parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
    decide(&parsed).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn only_what_differs_from_the_defaults_is_rendered() {
    for (line, wanted) in [
        ("boot=live findiso=/iso/debian.iso components quiet", "isolde.image=/iso/debian.iso components"),
        ("boot=live", "boot=live"),
        ("root=live:CDLABEL=F rd.live.image rd.live.dir=/x", "isolde.store=LABEL=F rd.live.dir=/x"),
        (
            "findiso=\"/my isos/a.iso\" isolde.pristine isolde.log=debug isolde.wait=060",
            "isolde.image=\"/my isos/a.iso\" isolde.extensions=no isolde.home=no isolde.customize=no isolde.log=debug",
        ),
        ("isolde.image=/ isolde.delegate init=/bin/sh", "isolde.image=/ isolde.delegate init=/bin/sh"),
        ("root=live:/dev/disk/by-id/usb-x", "root=live:/dev/disk/by-id/usb-x"),
        ("img_dev=/dev/disk/by-path/x img_loop=a.iso", "img_dev=/dev/disk/by-path/x img_loop=/a.iso"),
    ] {
        assert_eq!(plan(line).to_cmdline(), wanted, "{line}");
    }
}

#[test]
fn every_real_command_line_comes_back() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmdlines");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("> ")) {
            // Those that must be refused are in a file of their own, and have no plan.
            if let Ok(plan) = parse(line).and_then(|typed| decide(&typed)) {
                assert_eq!(again(&plan), plan, "{line}");
                count += 1;
            }
        }
    }
    assert!(count >= 25, "{count} plans were compared");
}

/// Any text that a word can hold: quotes it cannot, and a value has no line break or NUL.
fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 \t=,.:;$/\\\\_\u{e4}\u{20ac}-]{1,24}"
}

/// A node that the kernel makes, or an identity.
fn store() -> impl Strategy<Value = StoreSpec> {
    prop_oneof![
        Just(StoreSpec::Any),
        text().prop_map(StoreSpec::Uuid),
        text().prop_map(StoreSpec::Label),
        text().prop_map(StoreSpec::PartUuid),
        text().prop_map(StoreSpec::PartLabel),
        "(sd[a-z][0-9]|nvme0n1p[0-9]|mapper/[a-z-]{1,8})".prop_map(StoreSpec::Device),
    ]
}

/// A comma ends the name of a volume; in a label it is written in another way.
fn luks() -> impl Strategy<Value = Vec<StoreSpec>> {
    let plain = |spec: &StoreSpec| match spec {
        StoreSpec::Uuid(id) | StoreSpec::PartUuid(id) => !id.contains(','),
        _ => true,
    };
    prop::collection::btree_map(any::<u8>(), store().prop_filter("a comma", plain), 0..3).prop_map(|all| {
        let mut once: Vec<StoreSpec> = Vec::new();
        all.into_values().for_each(|spec| {
            if !once.contains(&spec) {
                once.push(spec)
            }
        });
        once
    })
}

fn lvm() -> impl Strategy<Value = Vec<VolumeName>> {
    let name = "[a-z0-9_+.][a-z0-9_+.-]{1,8}".prop_filter("a folder's own name", |name| name != "..");
    let volume = (name.clone(), name).prop_map(|(group, volume)| VolumeName { group, volume });
    prop::collection::vec(volume, 0..2)
}

/// Words that a family reads once the image is found.
fn words() -> impl Strategy<Value = Words> {
    let table: Vec<&'static str> = FAMILIES
        .iter()
        .flat_map(|family| family.words)
        .map(|word| word.name)
        .filter(|name| {
            crate::families::find_word(name).is_some_and(|word| matches!(word.does, Does::Choice | Does::Userland))
        })
        .collect();
    let value = prop_oneof![Just(String::new()), text()];
    prop::collection::vec((prop::sample::select(table), value), 0..4).prop_map(|words| words.into_iter().collect())
}

fn extras() -> impl Strategy<Value = Extras> {
    prop_oneof![Just(Extras::Use), Just(Extras::Leave)]
}

/// One device among others.
fn device() -> impl Strategy<Value = StoreSpec> {
    store().prop_filter("a device", |spec| *spec != StoreSpec::Any)
}

/// All that is said of the home.
fn homes() -> impl Strategy<Value = (HomeWish, Option<String>, LeaseWish)> {
    let share = prop_oneof!["[a-z ]{1,9}".prop_map(Share::Virtiofs), "[a-z ]{1,9}".prop_map(Share::NineP), {
        let address = prop_oneof![Just("192.0.2.7"), Just("[2001:db8::1]")];
        (address, "/[a-z:, ]{0,9}").prop_map(|(server, path)| Share::Nfs { server: server.to_owned(), path })
    }];
    let wish = prop_oneof![
        Just(HomeWish::Found),
        Just(HomeWish::No),
        text().prop_map(|path| HomeWish::Path(format!("/{path}"))),
        device().prop_map(HomeWish::Volume),
        share.prop_map(HomeWish::Share),
    ];
    let lease = prop::sample::select(LeaseWish::WORDS.to_vec()).prop_map(|(_, wish)| wish);
    let folder = prop_oneof![Just(".".to_owned()), "[a-z][a-z ]{0,8}"];
    (wish, prop::option::of(folder), lease)
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![(1_u8..=100).prop_map(Size::Percent), (1_u64..).prop_map(Size::Bytes)]
}

/// Everything that `decide` can give.
fn plans() -> impl Strategy<Value = Plan> {
    let what = (store(), prop::option::of(text()), words(), prop::option::of(any::<[u8; 32]>()));
    let policy = prop::sample::select(Policy::WORDS.to_vec()).prop_map(|(_, policy)| policy);
    let on_corruption = prop::sample::select(OnCorruption::WORDS.to_vec()).prop_map(|(_, all)| all);
    let trust = (policy, any::<u64>(), on_corruption);
    let seconds = || (0_u64..=86_400).prop_map(Duration::from_secs);
    let other_base = prop::sample::select(OtherBase::WORDS.to_vec()).prop_map(|(_, all)| all);
    let session = prop::sample::select(Session::WORDS.to_vec()).prop_map(|(_, all)| all);
    let profile = ("[a-z][a-z0-9._-]{0,20}", 0_usize..=1000).prop_filter_map("a word of its own", |(name, back)| {
        (!matches!(name.as_str(), "no" | "auto")).then_some(PersistWish::Profile { name, back })
    });
    let persist = prop_oneof![Just(PersistWish::No), Just(PersistWish::IfThere), profile];
    let saves = (persist, other_base, 0_usize..=100, session, prop::option::of(device()), prop::option::of(1_u64..));
    let to_ram = prop::sample::select(ToRam::WORDS.to_vec()).prop_map(|(_, wish)| wish);
    let limits = (seconds(), trust, (to_ram, prop::option::of(size()), prop::option::of(size())), seconds());
    let opens = (luks(), prop::option::of(text().prop_map(|path| format!("/{path}"))), lvm());
    let adds = (extras(), homes(), extras(), prop::option::of(text()), any::<bool>(), any::<bool>());
    let all = (what, limits, adds, opens, saves);
    all.prop_filter_map("a medium is named by no file, and has no digest", |(what, limits, adds, opens, saves)| {
        let (persist, other_base, persist_keep, session, persist_on, persist_size) = saves;
        let (luks, luks_key, lvm) = opens;
        let (store, path, words, digest) = what;
        let (wait, (policy, manifest_min, on_corruption), (to_ram, overlay_size, zram), program_limit) = limits;
        let (extensions, (home, home_user, home_lease), customize, init, delegate, debug) = adds;
        let verbosity = if debug { Verbosity::Debug } else { Verbosity::Info };
        let image = path.map_or(ImageSpec::Medium, ImageSpec::File);
        let medium = image == ImageSpec::Medium;
        if medium && (digest.is_some() || FAMILIES.iter().any(|family| !(family.sources)(&words).is_empty())) {
            return None;
        }
        Some(Plan {
            store,
            image,
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
        })
    })
}

proptest! {
    #[test]
    fn a_rendered_plan_is_the_same_plan(plan in plans()) {
        prop_assert_eq!(again(&plan), plan);
    }

    #[test]
    fn what_names_an_image_in_any_dialect_comes_back(
        words in prop::collection::vec((0_usize..1000, 0_usize..10, "[a-z0-9/.:=-]{0,12}"), 1..5),
    ) {
        let table: Vec<&str> = FAMILIES.iter().flat_map(|family| family.words).map(|word| word.name).collect();
        let forms = ["", "/", "live:", "live:/dev/disk/by-", "live:UUID=", "UUID=", "LABEL=", "/dev/", "/dev/disk/by-id/", "mgalive:"];
        let word = |(name, form, rest): &(usize, usize, String)| format!("{}={}{rest}", table[name % table.len()], forms[*form]);
        let line = words.iter().map(word).collect::<Vec<_>>().join(" ");
        // Most lines name no image, and some two. What no boot finds has no words of its own.
        let found = |plan: &Plan| match &plan.store {
            StoreSpec::Device(name) => !name.is_empty() && (plan.image != ImageSpec::Medium || !name.starts_with("disk/")),
            _ => true,
        };
        if let Some(plan) = parse(&line).and_then(|typed| decide(&typed)).ok().filter(found) {
            prop_assert_eq!(again(&plan), plan, "{}", line);
        }
    }

    #[test]
    fn what_was_decided_from_any_dialect_comes_back(
        words in prop::collection::vec((0_usize..1000, "[a-z0-9/.:=-]{0,16}"), 0..5),
        file in "/[a-z0-9/. -]{0,16}",
    ) {
        let table: Vec<&str> = FAMILIES.iter().flat_map(|family| family.words).map(|word| word.name).collect();
        let name = |number: usize| table[number % table.len()];
        let words = words.iter().map(|(number, value)| format!("{}={value}", name(*number)));
        let line = words.chain([format!("isolde.image=\"{file}\"")]).collect::<Vec<_>>().join(" ");
        let plan = decide(&parse(&line).unwrap()).unwrap();
        prop_assert_eq!(again(&plan), plan, "{}", line);
    }
}
