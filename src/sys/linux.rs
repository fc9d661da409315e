//! The real kernel. Each method is a few system calls; nothing is decided here.

mod binding;
mod blockdev;
mod console;
mod devices;
mod dm;
mod ext4;
mod idmap;
mod initramfs;
mod log;
mod loopdev;
mod merge;
mod modules;
mod paths;
mod process;
mod takeover;
mod uevents;
mod upper;
mod users;
mod zram;

use super::{Advise, BlockDevice, End, Entry, Event, Halt, Kind, Level, Space, Sys, User};
use crate::formats::ReadAt;
use crate::op::{ImageMount, Mapping, NEW_ROOT, Op, Place, Program, Verity};
use rustix::event::{PollFd, poll};
use rustix::fs::{Advice, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, UnmountFlags};
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Advice is given in pieces of this size: the kernel cuts each one at its read-ahead window (mm/readahead.c).
const ADVICE_STEP: u64 = 128 << 10;

/// This machine.
#[derive(Debug, Default)]
pub struct Linux {
    log: log::Log,
    uevents: Option<uevents::Socket>,
    consoles: console::Consoles,
    /// Held by [`Sys::await_end`].
    process_1: Option<takeover::Tracee>,
}

impl Linux {
    /// This machine, with nothing opened yet.
    pub fn new() -> Self {
        Linux::default()
    }
}

/// Where the kernel had no console to open (init/main.c, `console_on_rootfs`), the descriptors 0 to 2 are free, and the
/// first files that are opened would get what a failing C library writes to.
pub fn fill_standard_streams() {
    // Without /dev/null there is nothing to fill them with.
    while let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())
        && null.as_raw_fd() <= rustix::stdio::raw_stderr()
    {
        let _ = null.into_raw_fd(); // stays open, also in the programs that are executed
    }
}

/// A panic of process 1 is a panic of the kernel. Nothing here panics; should a dependency, this says what happened and
/// stays, so that the message can be read.
pub fn last_net() {
    std::panic::set_hook(Box::new(|panic| {
        log::Log::default().write(Level::Error, &format!("a defect in isolde itself: {panic}; please report it"));
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }));
}

impl ReadAt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buf, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn size(&self) -> io::Result<u64> {
        // A block device has no size of its own in stat(2); its end is found by seeking.
        let meta = self.metadata()?;
        if meta.is_file() {
            Ok(meta.len())
        } else {
            Ok(rustix::fs::seek(self, rustix::fs::SeekFrom::End(0)).unwrap_or(0))
        }
    }
}

impl Advise for File {
    fn will_need(&self, offset: u64, length: u64) {
        for step in (0..length).step_by(usize::try_from(ADVICE_STEP).unwrap_or(usize::MAX)) {
            // Advice only: a failure costs speed, and the read that follows reports what is wrong.
            let len = std::num::NonZeroU64::new(ADVICE_STEP);
            let _ = rustix::fs::fadvise(self, offset + step, len, Advice::WillNeed);
        }
    }
}

impl Sys for Linux {
    type File = File;

    fn now(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
    }

    fn wall_clock(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        now.tv_sec.try_into().unwrap_or(0)
    }

    fn arguments(&self) -> Vec<OsString> {
        std::env::args_os().skip(1).collect()
    }

    fn own_path(&self) -> Option<String> {
        std::env::current_exe().ok()?.to_str().map(str::to_owned)
    }

    fn peak_memory(&self) -> Option<u64> {
        // /proc is in the new root when the report is written.
        let text = ["/proc/self/status".into(), format!("{NEW_ROOT}/proc/self/status")];
        let text = text.iter().find_map(|path| std::fs::read_to_string(path).ok())?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    fn open(&self, at: &Place) -> io::Result<File> {
        paths::open(at, OFlags::RDONLY).map(File::from)
    }

    fn open_writable(&mut self, at: &Place) -> io::Result<File> {
        paths::open(at, OFlags::RDWR).map(File::from)
    }

    fn create(&mut self, at: &Place, executable: bool) -> io::Result<File> {
        let file = File::from(paths::open(at, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?);
        rustix::fs::fchmod(&file, Mode::from_raw_mode(if executable { 0o755 } else { 0o644 }))?;
        Ok(file)
    }

    fn copy(&mut self, from: &File, to: &File, offset: u64, length: u64) -> io::Result<u64> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        from.will_need(offset + length as u64, length as u64);
        let mut bytes = vec![0; length];
        let count = crate::formats::read_full(from, &mut bytes, offset)?;
        to.write_all_at(bytes.get(..count).unwrap_or_default(), offset)?;
        Ok(count as u64)
    }

    fn owner(&self, at: &Place) -> io::Result<(u32, u32)> {
        let stat = rustix::fs::fstat(paths::open(at, OFlags::PATH)?)?;
        Ok((stat.st_uid, stat.st_gid))
    }

    fn kind(&self, at: &Place) -> io::Result<Option<Kind>> {
        paths::kind(at)
    }

    fn list(&self, at: &Place) -> io::Result<Vec<Entry>> {
        paths::list(at)
    }

    fn block_devices(&self) -> io::Result<Vec<BlockDevice>> {
        devices::block_devices()
    }

    fn logical_block_size(&self, disk: &str) -> io::Result<u64> {
        devices::logical_block_size(disk)
    }

    fn modaliases(&self) -> io::Result<Vec<String>> {
        devices::modaliases()
    }

    fn is_usb_disk_coming(&self) -> bool {
        devices::is_usb_disk_coming()
    }

    fn without_driver(&self) -> io::Result<Vec<String>> {
        devices::without_driver()
    }

    fn listen(&mut self) -> io::Result<()> {
        if self.uevents.is_none() {
            self.uevents = Some(uevents::Socket::open()?);
        }
        Ok(())
    }

    fn wait_for_events(&mut self, limit: Duration) -> io::Result<Vec<Event>> {
        let mut ready: Vec<PollFd<'_>> = self.consoles.poll_fds().collect();
        ready.extend(self.uevents.iter().map(uevents::Socket::poll_fd));
        let timeout = limit.try_into().map_err(io::Error::other)?;
        match poll(&mut ready, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(ready);
        let mut events = self.uevents.as_ref().map_or(Ok(Vec::new()), uevents::Socket::events)?;
        let bytes = self.consoles.typed();
        events.extend((!bytes.is_empty()).then_some(Event::Typed { bytes }));
        Ok(events)
    }

    fn load_module(&mut self, module: &File, parameters: &str) -> io::Result<()> {
        modules::load(module, &CString::new(parameters)?)
    }

    fn load_modules_ahead(&mut self, modules: &[File]) -> io::Result<()> {
        modules::load_ahead(modules)
    }

    fn mount_image(&mut self, image: &File, mount: &ImageMount) -> io::Result<PathBuf> {
        // The device has to stay open until the mount holds it: it clears itself at its last close.
        let (device, _open) = loopdev::attach(image, mount.is_writable())?;
        let target = paths::mount_target(&mount.target)?;
        let options = CString::new(mount.options.as_str())?;
        rustix::mount::mount(&device, target.path(), mount.fstype.as_str(), mount.flags, options.as_c_str())?;
        Ok(device)
    }

    fn seal(&mut self, image: &File, tree: &File, verity: &Verity) -> io::Result<PathBuf> {
        let (image, tree) = std::thread::scope(|scope| {
            // Each waits for the kernel, not for a processor.
            let other = std::thread::Builder::new().spawn_scoped(scope, || loopdev::attach(tree, false));
            let image = loopdev::attach(image, false);
            let tree = match other {
                Ok(other) => other.join().unwrap_or_else(|_| Err(Errno::AGAIN.into())),
                Err(_) => loopdev::attach(tree, false),
            };
            (image, tree)
        });
        // Both devices have to stay open until the one above holds them.
        let ((image, _open), (tree, _open_too)) = (image?, tree?);
        dm::verity(verity, &image, &tree)
    }

    fn map_images(&mut self, images: &[File], mapping: &Mapping) -> io::Result<PathBuf> {
        // The devices have to stay open until the one above holds them.
        let attached: Vec<(PathBuf, File)> =
            images.iter().map(|image| loopdev::attach(image, mapping.writable)).collect::<io::Result<_>>()?;
        let mut mapping = mapping.clone();
        for (number, part) in mapping.parts.iter_mut().enumerate() {
            let (device, _) = attached.get(number).or(attached.last()).ok_or(Errno::INVAL)?;
            part.device = device.to_string_lossy().into_owned();
        }
        dm::create(&mapping)
    }

    fn apply(&mut self, op: &Op) -> io::Result<()> {
        match op {
            Op::MakeDir(at) => paths::make_directories(at),
            Op::Mount { fstype, source, target, flags, options } => {
                let target = paths::mount_target(target)?;
                let options = CString::new(options.as_str())?;
                rustix::mount::mount(source.as_str(), target.path(), fstype.as_str(), *flags, options.as_c_str())?;
                Ok(())
            }
            Op::Bind { source, target, flags } => binding::bind(source, target, *flags, None),
            Op::BindMapped { source, target, flags, ids } => binding::bind(source, target, *flags, Some(ids)),
            Op::Move { source, target } => {
                let (source, target) = (paths::open(source, OFlags::PATH)?, paths::open(target, OFlags::PATH)?);
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
                Ok(rustix::mount::move_mount(source.as_fd(), "", target.as_fd(), "", flags)?)
            }
            Op::Unmount(at) => Ok(rustix::mount::unmount(at.full(), UnmountFlags::NOFOLLOW)?),
            Op::Detach(at) => {
                let flags = UnmountFlags::NOFOLLOW | UnmountFlags::DETACH;
                Ok(rustix::mount::unmount(at.full(), flags)?)
            }
            Op::SetReadOnly { device, read_only } => blockdev::set_read_only(device, *read_only),
            Op::ReadOnly(at) => {
                let target = paths::mount_target(at)?;
                Ok(rustix::mount::mount_remount(target.path(), MountFlags::RDONLY, c"")?)
            }
            Op::Writable(at) => {
                let target = paths::mount_target(at)?;
                Ok(rustix::mount::mount_remount(target.path(), MountFlags::NOSUID | MountFlags::NODEV, c"")?)
            }
            Op::DetachLoop(device) => loopdev::detach(device),
            Op::InstallSelf(at) => initramfs::install(at),
            Op::Own { at, mode, uid, gid } => paths::own(at, *mode, *uid, *gid),
            Op::Symlink { to, at } => paths::symlink(to, at),
            Op::Write { at, text } => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
                File::from(paths::open(at, flags)?).write_all(text.as_bytes())
            }
            Op::Save { at, text } => upper::save(at, text),
            Op::Allocate { at, size } => upper::allocate(at, *size),
            Op::Rename { from, to } => upper::rename(from, to),
            Op::GrowFileSystem(at) => ext4::grow(at),
            Op::Delete(at) => upper::delete(at),
            Op::Merge { from, into } => merge::merge(from, into),
            Op::CopyLabel { from, to } => upper::copy_label(from, to),
            Op::Map(mapping) => dm::create(mapping).map(drop),
            Op::Remap(mapping) => dm::reload(mapping),
            Op::Unmap(name) => dm::remove(name),
            Op::Release(name) => dm::remove_later(name),
            Op::EmptyInitramfs => initramfs::empty(&mut self.log),
            Op::PivotRoot { new, old } => {
                Ok(rustix::process::pivot_root(*new, *old).and_then(|()| rustix::process::chdir("/"))?)
            }
            Op::ZramSwap(size) => zram::swap(*size),
            Op::SwitchRoot => initramfs::switch_root(),
        }
    }

    fn run(&mut self, program: &Program, line: &mut dyn FnMut(&str)) -> io::Result<End> {
        process::run(program, line)
    }

    fn exec(&mut self, program: &Path, arguments: &[OsString]) -> io::Result<Infallible> {
        self.log.restore();
        self.consoles.close();
        Err(Command::new(program).args(arguments).exec())
    }

    fn log(&mut self, level: Level, line: &str) {
        self.log.write(level, line);
    }

    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn open_consoles(&mut self) -> usize {
        self.consoles.open()
    }

    fn close_consoles(&mut self) {
        self.consoles.close();
    }

    fn show(&mut self, text: &str) {
        self.consoles.show(text);
    }

    fn kernel_log(&self) -> io::Result<String> {
        log::read_all()
    }

    fn shell(&mut self) -> io::Result<()> {
        self.consoles.close();
        process::shell()
    }

    fn let_go(&mut self) -> io::Result<()> {
        self.log = log::Log::default();
        process::let_go()
    }

    fn space(&self, at: &Place) -> io::Result<Space> {
        upper::space(at)
    }

    fn fault_as_upper(&mut self, at: &Place) -> io::Result<Option<&'static str>> {
        upper::fault_as_upper(at)
    }

    fn users(&self, at: &str) -> Vec<User> {
        users::of(at)
    }

    fn end_others(&mut self) -> io::Result<()> {
        process::end_others()
    }

    fn replace_process_1(&mut self, program: &str, argument: &str) -> io::Result<()> {
        match self.process_1.take() {
            Some(held) => held.replace(program, argument),
            None => takeover::execute(1, program, argument),
        }
    }

    fn await_end(&mut self) -> io::Result<Halt> {
        let (held, halt) = takeover::await_end(1)?;
        self.process_1 = Some(held);
        Ok(halt)
    }

    fn halt(&mut self, how: Halt) -> io::Result<Infallible> {
        process::halt(how)
    }
}
