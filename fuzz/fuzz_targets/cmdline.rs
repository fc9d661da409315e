//! Bytes as a kernel command line, in any dialect: through to the plan, and from the plan back.
#![no_main]

use isolde::source::{ImageSpec, StoreSpec};
use isolde::stages::plan::render::origins;
use isolde::stages::{cmdline, plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let line = String::from_utf8_lossy(bytes);
    // Every word has a fate, whatever becomes of the line.
    assert!(origins::words(&line).iter().all(|typed| !typed.fate.text().is_empty()));
    let Ok(typed) = cmdline::parse(&line) else { return };
    // A plan or a refusal that can be printed; never a panic.
    match plan::decide(&typed) {
        Ok(plan) => {
            assert!(!plan.to_string().is_empty());
            assert!(!origins::parameters(&plan, &line).is_empty());
            // What no boot finds has no words of its own.
            if let StoreSpec::Device(name) = &plan.store
                && (name.is_empty() || (plan.image == ImageSpec::Medium && name.starts_with("disk/")))
            {
                return;
            }
            let again = plan.to_cmdline();
            let decided = cmdline::parse(&again).and_then(|typed| plan::decide(&typed));
            assert_eq!(decided.ok().as_ref(), Some(&plan), "{line:?} was rendered as {again:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
