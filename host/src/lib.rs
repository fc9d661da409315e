//! The command `isolde`.
//!
//! A sub-command is one module with its clap `Args` and `pub fn run(args: &Args) -> ExitCode`. It prints its answer
//! itself: status 0 when that is good news, 1 when it is bad news, 2 when there is none.

pub mod home;
pub mod inspect;
pub mod iso;
pub mod mkinitrd;
pub mod persist;
pub mod plan;
pub mod trust;
