//! A sealed image, and what the kernel says of its blocks.
//!
//! dm-verity logs each block that differs, as `device-mapper: verity: 7:0: data block 5 is corrupted` (drivers/md/
//! dm-verity-target.c, `verity_handle_err`), and tells udev its number in DM_VERITY_ERR_BLOCK_NR, as `0,5`. Neither names
//! the file. During the boot init does; afterwards a rule for udev does it, which init leaves in /run.

use crate::error::Cause;

/// How the kernel's line begins and ends.
const LINE: (&str, &str) = ("device-mapper: verity: ", " is corrupted");

/// An image whose blocks the kernel compares with a hash tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    image: String,
    device: String,
    block: u32,
}

impl Sealed {
    /// An image by its path, with its device and the bytes of its blocks.
    pub fn new(image: &str, device: &str, block: u32) -> Sealed {
        Sealed { image: image.to_owned(), device: device.to_owned(), block }
    }

    /// The last bad block that the kernel's log tells of, after so many that are of an earlier image. Pure.
    pub fn bad_block(&self, log: &str, before: usize) -> Option<Cause> {
        let block = bad_blocks(log).skip(before).last()?.to_owned();
        let number = block.strip_prefix("data block ").and_then(|number| number.parse::<u64>().ok());
        let at = number.and_then(|number| number.checked_mul(self.block.into()));
        Some(Cause::Corrupted { image: self.image.clone(), block, at })
    }

    /// The rule for udev(7) that writes the same line to the kernel's log in the running system.
    pub fn rule(&self) -> String {
        // Nothing in it may be more than a letter to a shell or to udev, so nothing needs quotes.
        let plain = |c: char| if c.is_alphanumeric() || "/._-+ ".contains(c) { c } else { '_' };
        let image: String = self.image.chars().map(plain).collect();
        let (device, block) = (self.device.trim_start_matches("/dev/"), self.block);
        format!(
            "ACTION==\"change\", KERNEL==\"{device}\", ENV{{DM_VERITY_ERR_BLOCK_NR}}==\"0,?*\", RUN+=\"/bin/sh -c \
             'n=$${{0#0,}}; echo isolde: {image}: data block $$n is not the one that was sealed, byte $$((n * {block})) \
             >/dev/kmsg' $env{{DM_VERITY_ERR_BLOCK_NR}}\"\n"
        )
    }
}

/// `data block 5`, `metadata block 2`, …
pub(crate) fn bad_blocks(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter_map(|line| {
        let (_, rest) = line.split_once(LINE.0)?;
        // Behind the number of the device.
        rest.strip_suffix(LINE.1)?.split_once(": ").map(|(_, block)| block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "isolde: verify: fine\ndevice-mapper: verity: 7:0: data block 5 is corrupted\n\
                       device-mapper: verity: 7:0: metadata block 2 is corrupted\n";

    #[test]
    fn the_last_bad_block_is_named_with_its_place() {
        let sealed = Sealed::new("/x.iso", "/dev/dm-0", 4096);
        let (first, _) = LOG.split_at(75);
        let text = |cause: Option<Cause>| cause.map(|cause| cause.to_string());
        assert_eq!(
            text(sealed.bad_block(first, 0)).as_deref(),
            Some("/x.iso: data block 5 is not the one that was sealed (byte 20480)")
        );
        assert_eq!(
            text(sealed.bad_block(LOG, 0)).as_deref(),
            Some("/x.iso: metadata block 2 is not the one that was sealed")
        );
        assert_eq!(text(sealed.bad_block(LOG, 2)), None, "it was there before");
        assert_eq!(text(sealed.bad_block("device-mapper: verity: x data block is corrupted", 0)), None);
    }

    #[test]
    fn a_name_cannot_add_to_the_rule() {
        let rule = Sealed::new("/a'$(reboot)\"%k.iso", "/dev/dm-1", 512).rule();
        assert!(rule.contains("isolde: /a___reboot___k.iso: data block $$n") && rule.contains("n * 512"), "{rule}");
        assert_eq!(rule.lines().count(), 1);
    }
}
