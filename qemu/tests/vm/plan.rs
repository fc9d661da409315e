//! What `isolde plan` says is what init does: its operations, and those in the log of a real boot, one by one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests; clippy.toml does not see this file as one"
)]

use crate::common::{BOOT, build, folder, second_initrd, stick};
use isolde_mkinitrd::Form;
use isolde_qemu::families;
use isolde_qemu::machine::Machine;
use isolde_qemu::modules;
use isolde_qemu::store::{FileSystem, Store};
use std::path::Path;

/// The path of every ISO on its store.
const PATH: &str = "/boot/iso/live.iso";
const UUID: &str = "15010000-91a2-4000-8000-000000000001";

/// The operations that are planned, from the first stage on that logs them: before, init does not know how much to log.
fn planned(name: &str, iso: &Path, words: &str) -> Vec<String> {
    let store = folder().join(format!("{name}.plan"));
    let _ = std::fs::remove_dir_all(&store);
    let at = store.join(PATH.trim_start_matches('/'));
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    // A symbolic link that leads out of the store would lead nowhere.
    std::fs::hard_link(iso, &at).or_else(|_| std::fs::copy(iso, &at).map(drop)).unwrap();
    let answer = isolde_host::plan::answer(words, Some(&store)).unwrap();
    std::fs::remove_dir_all(&store).unwrap();
    assert_eq!(answer.warnings, [""; 0], "{answer}");
    let logged = answer.stages.iter().skip_while(|step| step.stage != "drivers");
    let texts = logged.flat_map(|step| step.operations.iter().map(|operation| operation.text.clone()));
    // The last line of a log is that it is executed.
    texts.filter(|text| !text.starts_with("exec ")).collect()
}

/// What an operation begins with; other lines say what was found, and which modules are loaded, which a plan leaves out.
const VERBS: [&str; 11] = [
    "mkdir ",
    "blockdev ",
    "mount ",
    "umount ",
    "ln ",
    "write ",
    "own ",
    "chcon ",
    "install ",
    "empty ",
    "switch_root ",
];

/// The operations on the console, from the same stage on.
fn logged(console: &str) -> Vec<String> {
    let ours = console.lines().filter_map(|line| line.split_once("] isolde: ")?.1.trim_end().split_once(": "));
    let texts = ours.map(|(_, text)| text).filter(|text| VERBS.iter().any(|verb| text.starts_with(verb)));
    // The report holds times: its length is another one at each boot.
    let without_length = |text: &str| match text.split_once("/report.json (") {
        Some((at, _)) => format!("{at}/report.json"),
        None => text.to_owned(),
    };
    texts.map(without_length).collect()
}

fn same_operations(sample: &str) {
    let built = families::build().unwrap().into_iter().find(|built| built.sample.name == sample).unwrap();
    let (name, drivers) = (format!("plan-{sample}"), modules::parts().unwrap());
    // Every line of the log goes to the console.
    let words = format!("{} isolde.log=debug ignore_loglevel", built.words(PATH, UUID));
    let planned = planned(&name, &built.iso, &words);
    let image = build(&name, &Store::new(FileSystem::Ext4, "STICK").uuid(UUID).copy(PATH, &built.iso));
    let initrds = [&*drivers.initrd, &*built.initrd, &*second_initrd(Form::Init)];
    let machine = Machine::direct(&name, &folder(), &drivers.kernel, &initrds, &words).processors(1);
    let mut vm = machine.disk(stick(&image)).start().unwrap();
    vm.wait_for("isolde: handoff: switch_root ", BOOT).unwrap();
    assert!(planned.len() > 20, "{planned:#?}");
    assert_eq!(logged(&vm.log_text().unwrap()), planned, "left: the log; right: the plan");
}

#[test]
fn debian_is_booted_as_planned() {
    same_operations("live-boot");
}

#[test]
fn fedora_is_booted_as_planned() {
    same_operations("dracut-nested");
}
