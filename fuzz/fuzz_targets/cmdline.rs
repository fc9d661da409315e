//! Bytes as a kernel command line, through to the plan.
#![no_main]

use isolde::stages::{cmdline, plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(cmdline) = cmdline::parse(&String::from_utf8_lossy(bytes)) {
        // A plan or a refusal that can be printed; never a panic.
        match plan::decide(&cmdline) {
            Ok(plan) => assert!(!plan.to_string().is_empty()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
