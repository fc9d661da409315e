//! Which store is taken, and what happens to the others.

use super::harness::{Outcome, boot};
use super::invariants;
use super::worlds::*;
use isolde::sys::Level;
use isolde::sys::record::{Arrival, Arrives, Content, Ending, Medium, Tree, World};
use proptest::prelude::*;

const SEARCH: &str = "boot=live components findiso=/iso/debian.iso quiet";

fn by_uuid() -> String {
    format!("isolde.image=/iso/debian.iso isolde.store=UUID={UUID}")
}

fn content(medium: &Medium) -> Content {
    Content::image(medium)
}

/// The device that the booted system has its store from.
fn store_of(outcome: &Outcome) -> String {
    assert_eq!(outcome.end.ending, Ending::Exec, "{}", outcome.end.journal);
    invariants::check(outcome).unwrap();
    let report: serde_json::Value = serde_json::from_str(outcome.end.report.as_deref().unwrap()).unwrap();
    report["store"]["device"].as_str().unwrap().to_owned()
}

fn warnings(outcome: &Outcome) -> Vec<String> {
    let report: serde_json::Value = serde_json::from_str(outcome.end.report.as_deref().unwrap()).unwrap();
    report["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_internal_volume_that_was_not_unmounted_is_passed_over_unless_it_is_named() {
    let dirty = || internal("sda2", content(&ext4(store()).dirty()));
    let searched = boot(&with(machine(SEARCH), [dirty(), partition("sdb1", &ext4(store())).after(20)]));
    assert_eq!(store_of(&searched), "/dev/sdb1");
    assert!(!searched.end.journal.changes().any(|change| change.contains("/dev/sda2")), "{}", searched.end.journal);
    assert!(
        warnings(&searched).iter().any(|text| text.contains("passed over: /dev/sda2") && text.contains("unmounted"))
    );

    let (error, _) = boot(&with(machine(SEARCH), [dirty()])).error.expect("nothing else is there");
    let said = "(passed over: it was not unmounted, and may belong to a system that sleeps; isolde.store= names it)";
    assert!(error.to_string().contains(said), "{error}");

    let named = boot(&with(machine(&by_uuid()), [dirty()]));
    assert_eq!(store_of(&named), "/dev/sda2");
    assert!(warnings(&named).iter().any(|text| text.contains("its journal is not replayed")), "{:?}", warnings(&named));
}

#[test]
fn a_stick_that_was_pulled_out_is_used_read_only() {
    let outcome = boot(&with(machine(SEARCH), [partition("sdb1", &ext4(store()).dirty())]));
    assert_eq!(store_of(&outcome), "/dev/sdb1");
    let mounts: Vec<&str> = outcome.end.journal.changes().filter(|change| change.contains(" /dev/sdb1 ")).collect();
    assert!(mounts.iter().all(|mount| mount.contains("ro,") && mount.contains("noload")), "{mounts:?}");
}

#[test]
fn nothing_that_may_belong_to_a_hibernated_system_is_searched_or_written() {
    let swap = || internal("sda3", hibernated());
    let outcome = boot(&with(
        machine(SEARCH),
        [swap(), internal("sda2", content(&ext4(store()))), partition("sdb1", &ext4(store())).after(20)],
    ));
    assert_eq!(store_of(&outcome), "/dev/sdb1");
    assert!(warnings(&outcome).iter().any(|text| text.contains("/dev/sda2") && text.contains("hibernated")));

    let home = content(&ext4(Tree::new()));
    let line = format!("{} isolde.home=/home.img", by_uuid());
    let named = boot(&with(machine(&line), [swap(), internal("sda2", content(&ext4(store().file("home.img", home))))]));
    let error = &named.error.as_ref().unwrap().0;
    assert!(error.to_string().contains("/dev/sda3 swsuspend"), "{error}");
    assert!(
        !named.end.journal.changes().any(|change| change.starts_with("mount -t ext4") && !change.contains(" -o ro,")),
        "{}",
        named.end.journal
    );
}

#[test]
fn windows_asleep_is_passed_over_unless_it_is_named() {
    let medium = || {
        let tree = store().file("hiberfil.sys", "hibr and more");
        Medium::new("ntfs3", tree).labelled("WIN").identified("0123456789ABCDEF")
    };
    let with_driver = |line: &str, arrivals: Vec<Arrival>| {
        let mut world = with(machine(line), arrivals);
        world.built_in.push("ntfs3".into());
        world
    };
    let stick = partition("sdb1", &ext4(store())).after(20);
    let outcome = boot(&with_driver(SEARCH, vec![internal("sda2", content(&medium())), stick]));
    assert_eq!(store_of(&outcome), "/dev/sdb1");
    assert!(warnings(&outcome).iter().any(|text| text.contains("Windows is hibernated")), "{:?}", warnings(&outcome));
    let line = "isolde.image=/iso/debian.iso isolde.store=LABEL=WIN";
    assert_eq!(store_of(&boot(&with_driver(line, vec![internal("sda2", content(&medium()))]))), "/dev/sda2");
}

#[test]
fn a_clone_of_the_stick_is_named_and_a_disk_seen_twice_is_not() {
    let both = [partition("sdb1", &ext4(store())), partition("sdc1", &ext4(store()))];
    let cloned = boot(&with(machine(&by_uuid()), both));
    assert_eq!(store_of(&cloned), "/dev/sdb1");
    let names_both = |text: &String| text.contains("/dev/sdc1") && text.contains("taken: /dev/sdb1");
    assert!(warnings(&cloned).iter().any(names_both), "{:?}", warnings(&cloned));

    let one = ext4(store());
    let seen_twice = boot(&with(machine(&by_uuid()), [disk("sdb", content(&one)), partition("sdb1", &one)]));
    assert_eq!(store_of(&seen_twice), "/dev/sdb1", "the partition, not the disk around it");
    assert_eq!(warnings(&seen_twice), Vec::<String>::new());
}

#[test]
fn an_internal_disk_is_taken_when_no_stick_is_on_its_way() {
    let outcome = boot(&with(machine(SEARCH), [internal("sda1", content(&ext4(store())))]));
    assert_eq!(store_of(&outcome), "/dev/sda1");
    assert_eq!(warnings(&outcome), Vec::<String>::new());
}

/// The worlds in which the same devices arrive at other times, all before anything may be decided.
fn arriving(line: &str, times: &[u64]) -> World {
    let devices = [
        internal("sda1", content(&ext4(store()))),
        internal("sdc2", content(&ext4(store()))),
        partition("sdb1", &ext4(store())),
    ];
    let timed = devices
        .into_iter()
        .zip(times)
        .map(|(device, millis)| Arrival { at: std::time::Duration::from_millis(*millis), ..device });
    with(machine(line), timed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_choice_does_not_depend_on_the_order_of_arrival(
        searched in any::<bool>(), first in 0_u64..900, second in 0_u64..900, third in 0_u64..900,
    ) {
        if searched {
            let outcome = boot(&arriving(SEARCH, &[first, second, third]));
            prop_assert_eq!(store_of(&outcome), "/dev/sdb1");
        } else {
            // Only one of them has the identity; the other two come when they like.
            let mut world = arriving(&by_uuid(), &[first, second, third]);
            for arrival in world.arrivals.iter_mut() {
                if let Arrives::Device(device, content) = &mut arrival.what
                    && device.name != "sdc2"
                {
                    *content = Content::image(&ext4(store()).identified("11111111-2222-3333-4444-555555555555"));
                }
            }
            prop_assert_eq!(store_of(&boot(&world)), "/dev/sdc2");
        }
    }
}

/// Between two looks a stick was pulled out, which is why it could not be read, and another one has its name and its size.
#[test]
fn a_stick_with_the_name_of_one_that_is_gone_is_another_stick() {
    let good = partition("sdb1", &ext4(store()));
    let Arrives::Device(device, _) = &good.what else { unreachable!("a partition is a device") };
    let unreadable = disk("sdb1", Content::new(vec![0; usize::try_from(device.size).unwrap()]));
    for line in [SEARCH.to_owned(), by_uuid()] {
        let outcome = boot(&with(machine(&line), [unreadable.clone(), good.clone().after(5)]));
        assert_eq!(store_of(&outcome), "/dev/sdb1");
    }
}

#[test]
fn what_is_missing_is_named_while_it_is_waited_for() {
    let nvme = "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02";
    let exfat = Medium::new("exfat", Tree::new()).labelled("CARD").identified("1234-ABCD");
    let mut world = with(machine(&by_uuid()), [partition("sdc1", &exfat), partition("sdb1", &ext4(store())).after(20)]);
    world.without_driver.push(nvme.to_owned());
    let outcome = boot(&world);
    assert_eq!(store_of(&outcome), "/dev/sdb1");
    let said: Vec<&str> = outcome.end.journal.log(Level::Notice).collect();
    let missing = said.iter().find(|line| line.contains("missing: ")).unwrap();
    assert!(missing.contains("the driver exfat for /dev/sdc1") && missing.contains("nvme, for pci:"), "{missing}");
    assert_eq!(said.iter().filter(|line| line.contains("so far: ")).count(), 1, "only news: {said:?}");
    assert!(said.iter().filter(|line| line.contains("s left")).count() >= 5, "{said:?}");
}
