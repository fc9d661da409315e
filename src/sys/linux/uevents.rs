//! The kernel's device events: `netlink(7)`, NETLINK_KOBJECT_UEVENT.

use crate::sys::Event;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink, recvfrom, socket_with, sockopt};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;

/// Room for the events of thousands of devices that arrive while we are busy.
const BUFFER: usize = 16 << 20;
/// One event is at most UEVENT_BUFFER_SIZE, 2 KiB, and a header (linux/kobject.h).
const LARGEST: usize = 8 << 10;
/// The kernel's own events; 2 is udev's.
const KERNEL_GROUP: u32 = 1;

/// An open socket.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    pub(super) fn open() -> io::Result<Socket> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::KOBJECT_UEVENT))?;
        // Without the larger buffer events can be lost, which is noticed and repaired: not worth failing for.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER);
        bind(&socket, &netlink::SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(Socket(socket))
    }

    /// To be waited for.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(&self.0, PollFlags::IN)
    }

    /// All events that are there.
    pub(super) fn events(&self) -> io::Result<Vec<Event>> {
        let mut found = Found::default();
        let mut buffer = vec![0; LARGEST];
        loop {
            match recvfrom(&self.0, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((_, length, sender)) => {
                    // Anybody may write to the group; only what the kernel itself sent (port 0) counts.
                    let sender = sender.and_then(|sender| netlink::SocketAddrNetlink::try_from(sender).ok());
                    if sender.is_some_and(|sender| sender.pid() == 0) {
                        found.add(buffer.get(..length).unwrap_or_default());
                    }
                }
                Err(Errno::AGAIN) => return Ok(found.events()),
                Err(Errno::NOBUFS) => found.lost = true,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What a burst of events comes to.
#[derive(Default)]
struct Found {
    modaliases: BTreeSet<String>,
    block: bool,
    lost: bool,
}

impl Found {
    /// A message: `action@path`, then `KEY=value`, each ended by a zero byte (lib/kobject_uevent.c).
    fn add(&mut self, message: &[u8]) {
        let field = |key: &str| {
            let mut fields = message.split(|byte| *byte == 0).filter_map(|field| std::str::from_utf8(field).ok());
            fields.find_map(|field| field.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
        };
        match (field("SUBSYSTEM").as_deref(), field("ACTION").as_deref(), field("MODALIAS")) {
            (Some("block"), ..) => self.block = true,
            (_, Some("add"), Some(modalias)) => _ = self.modaliases.insert(modalias),
            _ => {}
        }
    }

    fn events(self) -> Vec<Event> {
        let devices = self.modaliases.into_iter().map(|modalias| Event::Device { modalias });
        devices.chain(self.block.then_some(Event::Block)).chain(self.lost.then_some(Event::Lost)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_apart() {
        let mut found = Found::default();
        found.add(b"add@/devices/x\0ACTION=add\0SUBSYSTEM=usb\0MODALIAS=usb:v0781\0SEQNUM=3\0");
        found.add(b"remove@/devices/y\0ACTION=remove\0SUBSYSTEM=usb\0MODALIAS=usb:v1\0");
        found.add(b"add@/block/sda\0ACTION=add\0SUBSYSTEM=block\0");
        found.add(b"\xff\xfe garbage");
        assert_eq!(found.events(), [Event::Device { modalias: "usb:v0781".into() }, Event::Block]);
    }
}
