//! Builds a fixture, or finds it in the cache, and prints the paths of what it is made of.

use std::process::ExitCode;

use isolde_qemu::fixtures::{NAMES, by_name};

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        eprintln!("usage: fixture NAME…\nnames: {}", NAMES.join(" "));
        return ExitCode::FAILURE;
    }
    for name in names {
        match by_name(&name) {
            Ok(iso) => {
                println!("iso {}", iso.path.display());
                println!("kernel {}", iso.kernel.display());
                println!("initrd {}", iso.initrd.display());
            }
            Err(error) => {
                eprintln!("fixture: {error:#}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
