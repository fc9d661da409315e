//! /proc/mounts (proc_pid_mounts(5)).

/// The mount points in the order in which they were mounted. Pure.
pub(crate) fn points(table: &str) -> impl Iterator<Item = String> + '_ {
    table.lines().filter_map(|line| line.split(' ').nth(1)).map(unescape)
}

/// The mount points, and whether each is read-only: the mount itself, or its file system. Pure.
pub(crate) fn access(table: &str) -> impl Iterator<Item = (String, bool)> + '_ {
    table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, options) = (fields.next()?, fields.nth(1)?);
        Some((unescape(point), options.split(',').any(|option| option == "ro")))
    })
}

/// Blanks, tabs, line ends and backslashes are three octal digits there.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                out.push(char::from(byte));
                out.push_str(part.get(3..).unwrap_or_default());
            }
            _ => {
                out.push('\\');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        let table = "proc /proc proc rw 0 0\n/dev/loop0 /run/my\\040place/a\\134b squashfs ro 0 0\n\nx /a\\9 y\n";
        assert_eq!(points(table).collect::<Vec<_>>(), ["/proc", "/run/my place/a\\b", "/a\\9"]);
        let table =
            "/dev/sda1 /run/my\\040place ext4 rw,noatime,errors=remount-ro 0 0\nx /b ext4 nosuid,ro 0 0\nx /a\n";
        let access: Vec<_> = access(table).collect();
        assert_eq!(access, [("/run/my place".to_owned(), false), ("/b".to_owned(), true)]);
    }
}
