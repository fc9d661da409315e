//! Every single operation of several boots fails once. Either the boot stops, names the operation, and does nothing more
//! but what the emergency does; or a warning names it, in the log and in the report, and the boot goes on. Nothing else.

use super::harness::{Outcome, boot, boot_with};
use super::{invariants, scenarios};
use isolde::sys::Level;
use isolde::sys::record::{Ending, World};
use rustix::io::Errno;

/// What a message has to contain to name the operation.
fn words(change: &str) -> &str {
    // A program is named by its path in the new root; the real init without its arguments.
    let change = change.strip_prefix("chroot /isolde/root ").unwrap_or(change);
    match change.strip_prefix("exec ").and_then(|rest| rest.find(' ')) {
        Some(end) => &change[.."exec ".len() + end],
        None => change,
    }
}

fn judge(outcome: &Outcome, changes: &[String], n: usize) -> Result<&'static str, String> {
    let end = &outcome.end;
    let failed = end.journal.changes().nth(n).ok_or("the operation was not reached")?;
    if failed != changes[n] {
        return Err(format!("{failed} came instead of {}", changes[n]));
    }
    let warned = end.journal.log(Level::Warning).any(|line| line.contains(words(failed)));
    match &outcome.error {
        Some((error, done)) if error.to_string().contains(words(failed)) => {
            // But for what takes back the write protection.
            let after = end.journal.changes().take(*done).skip(n + 1);
            let after: Vec<&str> = after.filter(|change| !change.starts_with("blockdev --setrw ")).collect();
            if !after.is_empty() {
                return Err(format!("after the failed one: {after:?}"));
            }
            if !end.journal.log(Level::Error).any(|line| *line == error.to_string()) {
                return Err("the error is not in the log".into());
            }
            acted(outcome, n)?;
            Ok("stopped")
        }
        // Best effort, and what it was for is then missing: a driver, or the only device that could be the store.
        Some(_) if warned && (failed.starts_with("insmod ") || passed_over(outcome, failed)) => {
            acted(outcome, n)?;
            Ok("warned, then stopped")
        }
        Some((error, _)) => Err(format!("neither the error nor a warning names it: {error}")),
        None if !warned => Err("the boot went on without a warning".into()),
        None => {
            let report_at = changes.iter().position(|change| change.contains("report.json")).unwrap();
            let report: Option<serde_json::Value> =
                end.report.as_deref().map(serde_json::from_str).transpose().map_err(|e| e.to_string())?;
            let named = report.is_some_and(|report| {
                let warnings = report["warnings"].as_array().cloned().unwrap_or_default();
                warnings.iter().filter_map(|warning| warning.as_str()).any(|text| text.contains(words(failed)))
            });
            // What fails after the report was written can only be in the log.
            if named || n >= report_at { Ok("went on") } else { Err("the report does not have the warning".into()) }
        }
    }
}

/// Where every device is searched, one that cannot be mounted is no reason to stop.
fn passed_over(outcome: &Outcome, failed: &str) -> bool {
    outcome.end.journal.log(Level::Warning).any(|line| line.contains("passed over: ") && line.contains(failed))
}

/// The default policy: a shell, and a reboot after it. Where the initramfs is empty there is no shell.
fn acted(outcome: &Outcome, failed: usize) -> Result<(), String> {
    let after: Vec<&str> = outcome.end.journal.changes().skip(failed + 1).collect();
    let menu = outcome.end.journal.shown().contains("  p  power off\n");
    match outcome.end.ending {
        Ending::Waiting if menu => Ok(()),
        other => Err(format!("the emergency ended with {other:?} after {after:?}")),
    }
}

fn fail_everywhere(world: &World) {
    let good = boot(world);
    assert_eq!(good.end.ending, Ending::Exec, "{}", good.end.journal);
    let changes: Vec<String> = good.end.journal.changes().map(str::to_owned).collect();
    let mut wrong = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for n in 0..changes.len() {
        let outcome = boot_with(world, |record| record.fail_at(n, Errno::IO));
        let verdict = judge(&outcome, &changes, n).and_then(|how| invariants::check(&outcome).map(|()| how));
        match verdict {
            Ok(how) => seen.push(how),
            Err(why) => wrong.push(format!("{n}: {}: {why}", changes[n])),
        }
    }
    assert!(wrong.is_empty(), "{} of {} operations:\n{}", wrong.len(), changes.len(), wrong.join("\n"));
    for how in ["stopped", "went on"] {
        assert!(seen.contains(&how), "no operation {how}: the test does not see what it is for");
    }
}

#[test]
fn in_a_boot_with_everything() {
    fail_everywhere(&scenarios::everything());
}

#[test]
fn in_a_boot_of_a_nested_image() {
    fail_everywhere(&scenarios::fedora_nested());
}

#[test]
fn in_a_boot_with_a_home_image() {
    fail_everywhere(&scenarios::home_image_on_vfat());
}

#[test]
fn in_a_boot_from_a_store_in_containers() {
    fail_everywhere(&super::containers::lvm_in_luks());
}

#[test]
fn in_a_boot_with_a_home_in_a_container_of_its_own() {
    fail_everywhere(&super::home::most());
    fail_everywhere(&super::home::encrypted_image());
}

#[test]
fn in_a_boot_that_asks_what_becomes_of_saved_sessions() {
    fail_everywhere(&super::offer::asked());
}

#[test]
fn in_a_boot_with_compressed_memory() {
    fail_everywhere(&super::zram::world("isolde.zram=100%"));
}

#[test]
fn in_a_boot_of_a_single_image() {
    fail_everywhere(&scenarios::bare_squashfs());
}

#[test]
fn a_kernel_that_refuses_everything_ends_in_a_message() {
    let outcome = boot_with(&scenarios::everything(), |record| record.fail_when("", Errno::PERM));
    let (error, _) = outcome.error.unwrap();
    assert_eq!(error.to_string(), "early: mkdir /proc: operation not permitted");
    assert_eq!(outcome.end.ending, Ending::Waiting);
}
