//! `isolde persist`: what was saved on a store.
//!
//! Takes   the folder `/boot/isolde/persist` of a store, the store itself, or an image file with such a folder's content.
//! Gives   a list of sessions; or fewer of them; or an image file, made, grown or checked as `isolde home` does it, and in
//!         several files where that is how it is.
//! Leaves  every session that something stands on. The record is replaced as a whole or not at all.
//! Fails   with status 2 and what is wrong with the record, or why the image cannot be mounted. `check` has status 1 for a
//!         file system that needs a repair.

mod shelf;

use crate::home::{self, create, crypt, grow, pieces};
use crate::trust::{finish, say};
use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use isolde::formats::generations::{Generation, Generations, State, is_profile};
use shelf::Shelf;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// List, drop and delete what was saved, and make room for it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "docs/persistence.md explains sessions, profiles and where they are kept.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// What is done.
#[derive(Clone, Debug, Subcommand)]
enum Command {
    Create(CreateArgs),
    Grow(grow::Args),
    Check(home::CheckArgs),
    List(ListArgs),
    Drop(DropArgs),
    Prune(PruneArgs),
}

/// Make an image file for what is saved, where a store cannot hold it itself. A file that is there is not replaced.
#[derive(Clone, Debug, clap::Args)]
struct CreateArgs {
    /// The file to make: /boot/isolde/persist.img of the store.
    file: PathBuf,
    /// Its size: bytes, or with K, M, G or T. An encrypted one is 16 MiB larger.
    #[arg(long, value_name = "SIZE")]
    size: home::Size,
    /// In a LUKS2 volume.
    #[arg(long)]
    encrypt: bool,
    /// In several files of at most that size, whole mebibytes. Default: as large as the file system takes, 4095M on vfat.
    #[arg(long, value_name = "SIZE", value_parser = pieces::piece_size)]
    piece: Option<home::Size>,
    #[command(flatten)]
    key: crypt::Key,
}

/// Show the sessions: number, the one below, state, profile, image.
#[derive(Clone, Debug, clap::Args)]
struct ListArgs {
    /// The store, its folder of sessions, or an image file.
    store: PathBuf,
    #[command(flatten)]
    key: crypt::Key,
}

/// Mark a session, or all of a profile, as not wanted any more. The next boot that saves, or `prune`, deletes them.
#[derive(Clone, Debug, clap::Args)]
struct DropArgs {
    /// The store, its folder of sessions, or an image file.
    store: PathBuf,
    /// A session's number, or a profile.
    what: String,
    #[command(flatten)]
    key: crypt::Key,
}

/// Delete sessions that were dropped.
#[derive(Clone, Debug, clap::Args)]
struct PruneArgs {
    /// The store, its folder of sessions, or an image file.
    store: PathBuf,
    /// Also those that later ones left out (NAME@-1), and that no profile leads to any more.
    #[arg(long)]
    left_out: bool,
    #[command(flatten)]
    key: crypt::Key,
}

/// Does it.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let done = match &args.command {
        Command::Create(args) => {
            let (file, size, encrypt, key) = (args.file.clone(), args.size, args.encrypt, args.key.clone());
            create::create(&create::Args::for_sessions(file, size, encrypt, key, args.piece))
        }
        Command::Grow(args) => grow::grow_sessions(args),
        Command::Check(args) => return finish(home::check_sessions(args)),
        Command::List(args) => list(args),
        Command::Drop(args) => drop_them(args),
        Command::Prune(args) => prune(args),
    };
    finish(done.map(|()| true))
}

fn list(args: &ListArgs) -> Result<()> {
    let record = Shelf::read(&args.store, &args.key)?;
    let lines = record.all.iter().map(|one| {
        let Generation { number, parent, profile, image, .. } = one;
        let above = if *parent == 0 { "the image".to_owned() } else { parent.to_string() };
        format!("{number} above {above}, {}, profile {profile}, over {image}\n", one.state.word())
    });
    say(&lines.collect::<String>())
}

fn drop_them(args: &DropArgs) -> Result<()> {
    let shelf = Shelf::open(&args.store, &args.key)?;
    let mut record = changeable(&shelf)?;
    let wanted: Vec<u32> = match args.what.parse::<u32>() {
        Ok(number) => record.find(number).map(|one| one.number).into_iter().collect(),
        Err(_) => {
            ensure!(is_profile(&args.what), "wanted a session's number or a profile, seen {:?}", args.what);
            record.all.iter().filter(|one| one.profile == args.what).map(|one| one.number).collect()
        }
    };
    if wanted.is_empty() {
        bail!("{}: no session {}", args.store.display(), args.what);
    }
    for number in &wanted {
        let below = record.all.iter().find(|one| one.parent == *number && one.state != State::Dropped);
        if let Some(above) = below.filter(|above| !wanted.contains(&above.number)) {
            bail!("session {} stands on session {number}; drop that one first", above.number);
        }
    }
    wanted.iter().for_each(|number| record.set_state(*number, State::Dropped));
    shelf.save(&record)
}

fn prune(args: &PruneArgs) -> Result<()> {
    let shelf = Shelf::open(&args.store, &args.key)?;
    let mut record = changeable(&shelf)?;
    if args.left_out {
        for number in left_out(&record) {
            record.set_state(number, State::Dropped);
        }
        shelf.save(&record)?;
    }
    let gone = record.take_deletable();
    for number in &gone {
        shelf.delete(*number).with_context(|| format!("delete session {number}"))?;
    }
    shelf.save(&record)?;
    say(&format!("{} sessions deleted\n", gone.len()))
}

/// The record, unless two of its layers are half one: neither can be taken away then.
fn changeable(shelf: &Shelf) -> Result<Generations> {
    let record = shelf.record()?;
    if let Some(number) = record.merging {
        bail!("session {number} is half merged into the one below it; a boot that saves ends that first");
    }
    Ok(record)
}

/// Those that are on no line of the latest session of a profile over an image.
fn left_out(record: &Generations) -> Vec<u32> {
    let mut ends = BTreeSet::new();
    let mut reached = BTreeSet::new();
    for one in record.all.iter().rev().filter(|one| one.state != State::Dropped) {
        if ends.insert((one.profile.as_str(), one.base)) {
            reached.extend(record.line(one.number));
        }
    }
    record.all.iter().map(|one| one.number).filter(|number| !reached.contains(number)).collect()
}
