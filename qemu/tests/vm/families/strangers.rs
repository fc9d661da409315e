//! Media that are no live systems: the message says what it is, the hint what to do.

use super::guest::Wish;
use crate::common::REFUSAL;

fn assert_stranger(name: &'static str, message: &str, hint: &str) {
    let mut vm = Wish::new(name).words("isolde.onfail=poweroff").machine().start().unwrap();
    vm.wait_for(&format!("isolde: family: recognise the family: {message}"), REFUSAL).unwrap();
    vm.wait_for(&format!("isolde: hint: {hint}"), REFUSAL).unwrap();
    vm.wait_for("isolde: powering off in ", REFUSAL).unwrap();
}

#[test]
fn installers_windows_and_what_nobody_knows() {
    let advice = "write it to a medium of its own";
    assert_stranger("anaconda", "it is an Anaconda installer", advice);
    assert_stranger("debian-installer", "it is a Debian installer", advice);
    assert_stranger("windows", "it is a Windows medium", advice);
    assert_stranger(
        "unknown",
        "no known live system in it; at its top: 2019, README.txt",
        "is it an installer or a data disk",
    );
}
