//! What the linker does for init alone; flags for every program are in .cargo/config.toml.

use std::path::Path;

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=init.ld");
    // In other profiles a panic unwinds, and a debugger wants the tables.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let script = Path::new("init.ld").canonicalize()?;
        println!("cargo::rustc-link-arg-bin=isolde-init=-T{}", script.display());
        // What src/main.rs has in place of functions of the C library and of libgcc counts, also where others of the same
        // object file are used.
        println!("cargo::rustc-link-arg-bin=isolde-init=-Wl,-z,muldefs");
    }
    Ok(())
}
