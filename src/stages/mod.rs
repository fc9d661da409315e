//! The boot, one file per stage. Each has one public function that takes the previous stage's value and gives its own;
//! `lib.rs` calls them in order.

pub mod cmdline;
pub mod customize;
pub mod delegate;
pub mod drivers;
pub mod early;
pub mod extensions;
pub mod family;
pub mod handoff;
pub mod home;
pub mod identity;
pub mod image;
pub mod layers;
pub mod persist;
pub mod plan;
pub mod progress;
pub mod ram;
pub mod root;
pub mod store;
pub mod verify;
