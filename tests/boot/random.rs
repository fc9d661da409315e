//! Machines made at random: whatever is plugged in, when it comes and what is asked for, the same things hold.

use super::harness::boot;
use super::worlds::*;
use super::{invariants, modules};
use isolde::sys::record::{Arrival, Content, Ending, Tree, World};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

/// Their names, in the order of the sticks.
const DEVICES: [&str; 3] = ["sdb1", "sdc1", "sdd1"];

/// What is on a stick.
#[derive(Clone, Debug)]
struct Stick {
    vfat: bool,
    label: &'static str,
    iso: Option<Iso>,
    home: Option<bool>,
    extension: bool,
    script: bool,
    after: u64,
    lost: bool,
}

#[derive(Clone, Copy, Debug)]
enum Iso {
    Good,
    Changed,
    Short,
    NoSystem,
}

fn stick() -> impl Strategy<Value = Stick> {
    let iso = prop_oneof![
        6 => Just(Iso::Good),
        2 => Just(Iso::Changed),
        1 => Just(Iso::Short),
        1 => Just(Iso::NoSystem)
    ];
    (
        any::<bool>(),
        prop_oneof![3 => Just("LIVE"), 1 => Just("OTHER")],
        proptest::option::weighted(0.9, iso),
        proptest::option::of(any::<bool>()),
        any::<bool>(),
        any::<bool>(),
        prop_oneof![3 => Just(0_u64), 1 => 0_u64..70],
        any::<bool>(),
    )
        .prop_map(|(vfat, label, iso, home, extension, script, after, lost)| Stick {
            vfat,
            label,
            iso,
            home,
            extension,
            script,
            after,
            lost,
        })
}

fn arrival(number: usize, stick: &Stick) -> Arrival {
    static SUM: LazyLock<String> = LazyLock::new(|| b3sum(&Content::image(&debian()), "debian.iso"));
    let good = Content::image(&debian());
    let mut tree = Tree::new().file("README", "");
    let iso = stick.iso.map(|iso| match iso {
        Iso::Good => good,
        Iso::Changed => good.with_changed_byte(1 << 20),
        Iso::Short => good.resized(1 << 20),
        Iso::NoSystem => Content::from("no image at all"),
    });
    if let Some(iso) = iso {
        tree = tree.file("iso/debian.iso", iso).file("iso/B3SUMS", SUM.as_str());
    }
    tree = match stick.home {
        Some(true) => tree.file("home.img", Content::image(&ext4(Tree::new().directory("user")))),
        Some(false) => tree.directory("home/user"),
        None => tree,
    };
    if stick.extension {
        tree = tree.file("boot/extensions/b43.ExtensionImage", extension());
    }
    if stick.script {
        tree = tree.program("boot/customize/init");
    }
    let medium = if stick.vfat { vfat(tree) } else { ext4(tree) }.labelled(stick.label);
    let arrival = partition(DEVICES[number], &medium).after(stick.after);
    if stick.lost { arrival.lost() } else { arrival }
}

fn world() -> impl Strategy<Value = (World, Vec<Stick>)> {
    let which = prop_oneof![
        4 => Just("findiso=/iso/debian.iso boot=live"),
        3 => Just("isolde.image=/iso/debian.iso isolde.store=LABEL=LIVE"),
        2 => Just("isolde.image=/iso/debian.iso isolde.store=/dev/sdb1"),
        1 => Just("boot=live components"),
        2 => Just("root=live:CDLABEL=LIVE rd.live.image iso-scan/filename=/iso/debian.iso"),
        1 => Just("quiet splash"),
    ];
    let more = prop_oneof![
        Just(""),
        Just("isolde.verify=off"),
        Just("isolde.verify=require isolde.home=no"),
        Just("isolde.pristine"),
        Just("isolde.home=/home isolde.onfail=reboot"),
        Just("isolde.extensions=no isolde.onfail=wait"),
    ];
    (which, more, 0_u64..70, proptest::collection::vec(stick(), 0..4), any::<bool>()).prop_map(
        |(which, more, wait, sticks, index)| {
            let mut world = machine(&format!("{which} isolde.wait={wait} {more}"));
            if !index {
                world.initramfs = modules::without_index(Tree::new().program("init").program("bin/sh"), |_| true);
            }
            let arrivals: Vec<Arrival> = sticks.iter().enumerate().map(|(n, stick)| arrival(n, stick)).collect();
            (with(world, arrivals), sticks)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_must_always_hold_holds((world, sticks) in world()) {
        let outcome = boot(&world);
        if let Err(why) = invariants::check(&outcome) {
            return Err(TestCaseError::fail(format!("{why}\n$ {}\n{}", world.cmdline, outcome.end.journal)));
        }
        if outcome.end.ending == Ending::Exec {
            let store = Some(Path::new("/run/isolde/store"));
            let mounted = outcome.end.mounted.iter().find(|mounted| mounted.target.as_deref() == store).unwrap();
            let number = DEVICES.iter().position(|name| mounted.source == format!("/dev/{name}")).unwrap();
            match sticks[number].iso {
                Some(Iso::Good) => {}
                Some(Iso::Changed) => prop_assert!(world.cmdline.contains("isolde.verify=off"), "a changed image runs"),
                other => prop_assert!(false, "{other:?} runs"),
            }
        }
        // Whatever is refused here was tried on a hostile medium. A plan that is wrong in itself would show as another.
        for line in outcome.end.journal.to_string().lines().filter(|line| line.contains(" -> ")) {
            prop_assert!(line.starts_with("mount -t "), "$ {}\n{line}", world.cmdline);
        }
    }
}
