//! Owners that look like others in one mount (kernel: filesystems/idmappings.rst).

use std::fmt::{self, Write};

/// Whose files look like whose. What belongs to anybody else looks as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// User and group on disk.
    pub disk: (u32, u32),
    /// User and group as the running system sees them.
    pub live: (u32, u32),
}

impl Ids {
    /// The lines of uid_map and gid_map (user_namespaces(7)). The two ids change places, so that each id on disk still has
    /// one of its own in the system, and the other way round: whatever is written can be read again.
    pub fn maps(&self) -> [String; 2] {
        [swapped(self.disk.0, self.live.0), swapped(self.disk.1, self.live.1)]
    }
}

/// As mount(8) writes it: on disk, in the system, how many.
impl fmt::Display for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ids { disk, live } = self;
        write!(f, "X-mount.idmap=\"u:{}:{}:1 g:{}:{}:1\"", disk.0, live.0, disk.1, live.1)
    }
}

/// All ids but the last number, which stands for none. Pure.
fn swapped(one: u32, other: u32) -> String {
    let (low, high) = (one.min(other), one.max(other));
    let between = (high - low).saturating_sub(1);
    let mut extents = vec![(0, 0, low), (low, high, 1)];
    if low < high {
        extents.extend([(low + 1, low + 1, between), (high, low, 1)]);
    }
    extents.push((high.saturating_add(1), high.saturating_add(1), (u32::MAX - high).saturating_sub(1)));
    let mut text = String::new();
    for (inside, outside, count) in extents.into_iter().filter(|(.., count)| *count > 0) {
        _ = writeln!(text, "{inside} {outside} {count}"); // a String takes everything
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What an id becomes by the lines.
    fn mapped(lines: &str, id: u32) -> Option<u32> {
        lines.lines().find_map(|line| {
            let numbers: Vec<u32> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            let [inside, outside, count] = numbers[..] else { panic!("{line}") };
            let offset = id.checked_sub(inside).filter(|offset| *offset < count)?;
            Some(outside + offset)
        })
    }

    proptest! {
        #[test]
        fn the_two_change_places_and_everybody_else_stays(
            one in prop_oneof![0..3_u32, 998..1003_u32, u32::MAX - 3..u32::MAX],
            other in prop_oneof![0..3_u32, 998..1003_u32, u32::MAX - 3..u32::MAX],
            id in prop_oneof![0..4_u32, 997..1004_u32, u32::MAX - 4..u32::MAX],
        ) {
            let lines = swapped(one, other);
            let wanted = if id == one { other } else if id == other { one } else { id };
            prop_assert_eq!(mapped(&lines, id), Some(wanted), "{}", lines);
            prop_assert_eq!(mapped(&lines, u32::MAX), None);
            prop_assert!(lines.lines().count() <= 5, "kernels before 4.15 took no more");
        }
    }

    #[test]
    fn both_kinds_of_id_are_mapped_by_themselves() {
        let ids = Ids { disk: (1001, 100), live: (1000, 100) };
        assert_eq!(ids.maps()[0], "0 0 1000\n1000 1001 1\n1001 1000 1\n1002 1002 4294966293\n");
        assert_eq!(ids.maps()[1], "0 0 100\n100 100 1\n101 101 4294967194\n");
        assert_eq!(ids.to_string(), "X-mount.idmap=\"u:1001:1000:1 g:100:100:1\"");
    }
}
