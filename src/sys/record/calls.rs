//! The calls of a boot, answered by the fake kernel.
//!
//! Takes   what [`Sys`] takes. Questions are answered from the world as it is now; changes go through `Record::change`.
//! Gives   what the real kernel would give, or the failure that the test asked for.

use super::mounts::Mounted;
use super::tree::{File, Generated, Node};
use super::{Behaviour, Content, Ending, Record, World};
use crate::formats::ReadAt;
use crate::op::{ImageMount, Mapping, Op, Place, Program, Verity};
use crate::sys::{BlockDevice, End, Entry, Event, Halt, Kind, Level, Space, Sys, User};
use rustix::io::Errno;
use rustix::mount::MountFlags;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A sleep this long is the emergency's wait for ever.
const FOR_EVER: Duration = Duration::from_secs(3600);

impl Record {
    /// /sys is asked, so it has to be there.
    fn sysfs(&self) -> io::Result<()> {
        let at = self.space.locate(&Place::at("/sys"))?;
        if self.space.fstype_of(&at) == Some("sysfs") { Ok(()) } else { Err(Errno::NOENT.into()) }
    }

    fn generated(&self, what: Generated) -> String {
        match what {
            Generated::FileSystems => self.devices.file_systems(),
            Generated::Mounts => {
                let line = |mounted: Mounted| {
                    let access = if mounted.flags.contains(MountFlags::RDONLY) { "ro" } else { "rw" };
                    let target = mounted.target?.to_string_lossy().replace(' ', "\\040");
                    let options = if mounted.options.is_empty() { "" } else { "," };
                    let (source, fstype) = (mounted.source, mounted.fstype);
                    Some(format!("{source} {target} {fstype} {access}{options}{} 0 0\n", mounted.options))
                };
                self.space.mounted().into_iter().filter_map(line).collect()
            }
        }
    }

    pub(super) fn handle(&self, at: &Place) -> io::Result<File> {
        let location = self.space.locate(at)?;
        let content = match self.space.node(&location) {
            Some(Node::File { content, .. }) => content.clone(),
            Some(Node::Generated(what)) => Arc::new(Content::new(self.generated(*what))),
            Some(Node::Block(name)) => self.bytes_of(name)?,
            Some(Node::Directory) => return Err(Errno::ISDIR.into()),
            _ => return Err(Errno::NXIO.into()),
        };
        let name = at.full().to_string_lossy().into_owned();
        Ok(File { name, content, writable: false, _user: self.space.user_of(&location)? })
    }

    /// ENOENT or EACCES where `execve(2)` gives them.
    fn executable(&self, at: &Place) -> io::Result<()> {
        match self.space.node(&self.space.locate(at)?) {
            Some(Node::File { executable: true, .. }) => Ok(()),
            _ => Err(Errno::ACCESS.into()),
        }
    }
}

impl Sys for Record {
    type File = File;

    fn now(&self) -> Duration {
        self.devices.clock()
    }

    fn wall_clock(&self) -> u64 {
        self.world.wall_clock.unwrap_or(World::CLOCK)
    }

    fn arguments(&self) -> Vec<OsString> {
        self.world.arguments.iter().map(OsString::from).collect()
    }

    fn own_path(&self) -> Option<String> {
        Some(self.world.own_path.clone().unwrap_or_else(|| "/init".to_owned()))
    }

    fn peak_memory(&self) -> Option<u64> {
        Some(4096)
    }

    fn open(&self, at: &Place) -> io::Result<File> {
        self.handle(at)
    }

    fn open_writable(&mut self, at: &Place) -> io::Result<File> {
        self.change(format!("open {at}"), |record| {
            record.space.writable_file(at)?;
            Ok(File { writable: true, ..record.handle(at)? })
        })
    }

    fn create(&mut self, at: &Place, executable: bool) -> io::Result<File> {
        self.change(format!("create {at}"), |record| record.space.put_file(at, Arc::default(), executable))?;
        let mut file = self.open(at)?;
        file.name = at.full().to_string_lossy().into_owned();
        Ok(file)
    }

    /// All at once: the file system in it comes along.
    fn copy(&mut self, from: &File, to: &File, offset: u64, length: u64) -> io::Result<u64> {
        let count = ReadAt::size(from)?.saturating_sub(offset).min(length);
        let (at, content) = (Place::at(&to.name), from.content.clone());
        from.read_at(&mut vec![0; usize::try_from(count).map_err(io::Error::other)?], offset)?;
        if offset > 0 {
            return Ok(count);
        }
        let text = format!("cp {} {at}", from.name);
        self.change(text, |record| record.space.refill(&at, content)).map(|()| count)
    }

    fn owner(&self, at: &Place) -> io::Result<(u32, u32)> {
        let location = self.space.locate(at)?;
        Ok(self.space.tree_of(location.mount).ok_or(Errno::NOENT)?.owner(&location.path))
    }

    fn kind(&self, at: &Place) -> io::Result<Option<Kind>> {
        let location = match self.space.locate(at) {
            Ok(location) => location,
            Err(error) => {
                let nothing = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].map(Errno::raw_os_error);
                return if error.raw_os_error().is_some_and(|e| nothing.contains(&e)) { Ok(None) } else { Err(error) };
            }
        };
        Ok(self.space.node(&location).map(|node| match node {
            Node::Directory => Kind::Directory,
            Node::File { executable, .. } => Kind::File { executable: *executable },
            Node::Generated(_) => Kind::File { executable: false },
            Node::Block(_) => Kind::BlockDevice,
            Node::Link(_) | Node::Other => Kind::Other,
        }))
    }

    fn list(&self, at: &Place) -> io::Result<Vec<Entry>> {
        let folder = self.space.directory(at)?;
        let tree = self.space.tree_of(folder.mount).ok_or(Errno::NOENT)?;
        let entry = |(path, node): (&Path, &Node)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(Entry { name, is_directory: matches!(node, Node::Directory) })
        };
        Ok(tree.children(&folder.path).filter_map(entry).collect())
    }

    fn block_devices(&self) -> io::Result<Vec<BlockDevice>> {
        self.sysfs()?;
        Ok(self.devices.plugged.values().map(|plugged| plugged.device.clone()).collect())
    }

    fn logical_block_size(&self, _disk: &str) -> io::Result<u64> {
        self.sysfs()?;
        Ok(512)
    }

    fn modaliases(&self) -> io::Result<Vec<String>> {
        self.sysfs()?;
        Ok(self.devices.modaliases.iter().cloned().collect())
    }

    fn is_usb_disk_coming(&self) -> bool {
        self.devices.is_usb_disk_coming()
    }

    fn without_driver(&self) -> io::Result<Vec<String>> {
        self.sysfs()?;
        Ok(self.world.without_driver.clone())
    }

    fn wait_for_events(&mut self, limit: Duration) -> io::Result<Vec<Event>> {
        if limit >= FOR_EVER && self.devices.is_over() {
            self.end(Ending::Waiting);
        }
        let events = self.devices.wait(limit)?;
        self.make_nodes();
        Ok(events)
    }

    fn listen(&mut self) -> io::Result<()> {
        self.devices.listen();
        Ok(())
    }

    fn load_module(&mut self, module: &File, parameters: &str) -> io::Result<()> {
        let text = format!("insmod {} {parameters}", module.name);
        self.change(text.trim_end().to_owned(), |record| {
            record.devices.load(&module.name)?;
            record.show_modules();
            record.make_nodes();
            Ok(())
        })
    }

    /// The background never gets anything done here: whoever relies on it is found out.
    fn load_modules_ahead(&mut self, modules: &[File]) -> io::Result<()> {
        let names: Vec<&str> =
            modules.iter().map(|module| module.name.rsplit('/').next().unwrap_or_default()).collect();
        self.change(format!("insmod ahead {}", names.join(" ")), |_| Ok(()))
    }

    fn mount_image(&mut self, image: &File, mount: &ImageMount) -> io::Result<PathBuf> {
        self.change(mount.to_string(), |record| record.attach_and_mount(image, mount))
    }

    fn seal(&mut self, image: &File, tree: &File, verity: &Verity) -> io::Result<PathBuf> {
        self.change(verity.to_string(), |record| record.make_sealed(image, tree, verity))
    }

    fn map_images(&mut self, images: &[File], mapping: &Mapping) -> io::Result<PathBuf> {
        self.change(format!("dmsetup create {mapping}"), |record| record.map_files(images, mapping))
    }

    fn apply(&mut self, op: &Op) -> io::Result<()> {
        self.change(op.to_string(), |record| record.do_op(op))
    }

    fn run(&mut self, program: &Program, line: &mut dyn FnMut(&str)) -> io::Result<End> {
        self.change(program.to_string(), |record| {
            record.space.locate(&Place::within(&program.root, "/dev/null"))?;
            record.executable(&Place::within(&program.root, &program.path))?;
            if program.path.ends_with("mke2fs") {
                record.make_ext4(program)?;
            }
            let behaviour = record.world.programs.get(&*program.path.to_string_lossy());
            let Some(Behaviour { prints, end }) = behaviour else { return Ok(End::Exited(0)) };
            prints.iter().for_each(|text| line(text));
            let end = end.clone();
            if end == End::TimedOut {
                record.devices.advance(record.devices.now.saturating_add(program.limit));
            }
            Ok(end)
        })
    }

    fn exec(&mut self, program: &Path, arguments: &[OsString]) -> io::Result<Infallible> {
        let words = arguments.iter().map(|word| format!(" {}", word.to_string_lossy()));
        let text = format!("exec {}{}", program.display(), words.collect::<String>());
        self.change(text, |record| record.executable(&Place::at(program)))?;
        self.end(Ending::Exec);
        Err(io::Error::other("the fake kernel runs no programs"))
    }

    fn log(&mut self, level: Level, line: &str) {
        self.journal.say(level, line);
    }

    fn sleep(&mut self, time: Duration) {
        if time >= FOR_EVER {
            self.end(Ending::Waiting);
        }
        // There is no failure to report, and none is possible.
        let _ = self.change(format!("sleep {}", time.as_secs()), |record| {
            record.devices.advance(record.devices.now.saturating_add(time));
            Ok(())
        });
        self.make_nodes();
    }

    fn open_consoles(&mut self) -> usize {
        self.devices.consoles_open = !self.devices.without_console;
        usize::from(self.devices.consoles_open)
    }

    fn close_consoles(&mut self) {
        self.devices.consoles_open = false;
    }

    fn show(&mut self, text: &str) {
        self.journal.show(text);
    }

    fn kernel_log(&self) -> io::Result<String> {
        Ok(self.journal.log(Level::Debug).map(|line| format!("{line}\n")).collect())
    }

    fn shell(&mut self) -> io::Result<()> {
        self.devices.consoles_open = false;
        self.change("shell".to_owned(), |record| {
            record.space.locate(&Place::at("/dev/console"))?;
            let shells = ["/bin/sh", "/bin/busybox", "/usr/bin/busybox"];
            if shells.iter().any(|shell| record.executable(&Place::at(shell)).is_ok()) {
                return Ok(());
            }
            Err(io::Error::new(io::ErrorKind::NotFound, "the initramfs has none"))
        })
    }

    fn let_go(&mut self) -> io::Result<()> {
        self.change("let go of the old root".to_owned(), |_| Ok(()))
    }

    fn space(&self, at: &Place) -> io::Result<Space> {
        self.space.directory(at)?;
        Ok(self.world.space.unwrap_or(Space { free: 8 << 30, size: 16 << 30 }))
    }

    fn fault_as_upper(&mut self, at: &Place) -> io::Result<Option<&'static str>> {
        self.change(format!("probe {at}"), |record| {
            let folder = record.space.directory(at)?;
            record.space.writable(&folder)?;
            let bare = matches!(record.space.fstype_of(&folder), Some("vfat" | "exfat" | "ntfs3"));
            Ok(bare.then_some("it keeps no extended attributes"))
        })
    }

    fn users(&self, at: &str) -> Vec<User> {
        let below = |user: &&User| user.file.starts_with(at);
        self.world.users.iter().filter(below).cloned().collect()
    }

    fn end_others(&mut self) -> io::Result<()> {
        self.change("kill all other processes".to_owned(), |_| Ok(()))
    }

    fn replace_process_1(&mut self, program: &str, argument: &str) -> io::Result<()> {
        self.change(format!("process 1 executes {program} {argument}"), |_| Ok(()))
    }

    fn await_end(&mut self) -> io::Result<Halt> {
        self.change("await the end of process 1".to_owned(), |record| record.world.end.ok_or(Errno::PERM.into()))
    }

    fn halt(&mut self, how: Halt) -> io::Result<Infallible> {
        let text = match how {
            Halt::Reboot => "reboot",
            Halt::PowerOff => "power off",
            Halt::Halt => "halt",
            Halt::Kexec => "kexec",
        };
        self.change(text.to_owned(), |_| Ok(()))?;
        self.end(Ending::Halted(how));
        Err(io::Error::other("the fake kernel does not stop"))
    }
}
