//! Virtual machines, and the media they boot from.
//!
//! | module | gives |
//! |---|---|
//! | [`fixtures`] | live ISOs built from Debian packages, cached by the digest of their recipe |
//! | [`store`] | disk images with one file system that holds chosen files |
//! | [`stick`] | a bootable USB stick: GRUB for BIOS and UEFI, and a data partition |
//! | [`machine`] | a running QEMU: console, root shell in the guest, devices that come and go |
//! | [`initrd`] | several initrds in one file |
//! | [`kernel`] | a kernel without its compression |
//! | [`modules`] | an initrd with the modules for every store and bus, and nothing else |
//! | [`families`] | a small ISO of each family of live images |
//! | [`cache`], [`tool`] | where built things are kept, and how programs are run |
//!
//! Nothing here needs root, loop devices or partition nodes. `machine/arguments.rs` is the only file that knows a QEMU
//! flag. The package depends on no other package of the workspace: what it boots is handed to it as paths.

pub mod cache;
pub mod families;
pub mod fixtures;
pub mod initrd;
pub mod kernel;
pub mod machine;
pub mod modules;
pub mod stick;
pub mod store;
pub mod tool;
