//! The second initrd: a cpio archive that a boot loader puts behind the initrd of the distribution, and that brings
//! isolde-init into the initramfs.
//!
//! | step | takes → gives | where |
//! |---|---|---|
//! | read | files → [`Source`]s, the init checked to be static | [`source`], [`elf`] |
//! | plan | form, sources, places → [`Plan`], or a refusal; pure | [`plan`], [`destination`] |
//! | archive | [`Plan`] → bytes, the same for the same plan | [`archive`], [`compress`] |
//! | save | bytes → a file that is there whole or not at all | [`output`] |
//!
//! [`trust`] makes the files that init judges a store by. [`bridge`] and [`index`] make the files for kernel modules that
//! come along; where these come from is the business of the command `isolde mkinitrd` (package host).
//!
//! [`cli`] is the command line over these steps. Nothing here needs root: device nodes are entries of the archive, made
//! by the kernel that unpacks it.

pub mod archive;
pub mod bridge;
pub mod cli;
pub mod compress;
pub mod destination;
pub mod elf;
mod error;
pub mod index;
pub mod output;
pub mod plan;
pub mod source;
pub mod trust;

pub use archive::build;
pub use compress::Compression;
pub use destination::Destination;
pub use error::{Error, Result};
pub use plan::{Form, Plan, plan};
pub use source::Source;
