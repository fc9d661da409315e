//! Partition tables in image files, by sfdisk.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::tool::command;

/// Bytes in a sector.
pub(crate) const SECTOR: u64 = 512;

/// Partitions start at multiples of a MiB, as every partitioning program does.
const ALIGNMENT: u64 = (1 << 20) / SECTOR;

/// The kinds of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Gpt,
    Mbr,
    /// An MBR whose first partition is an extended one, with the first entry in it.
    MbrLogical,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    kind: String,
    sectors: u64,
    label: Option<String>,
    uuid: Option<String>,
}

impl Entry {
    /// A partition for that many bytes. `kind` is a type in sfdisk's words.
    pub fn new(kind: &str, bytes: u64) -> Self {
        Self { kind: kind.to_owned(), sectors: bytes.div_ceil(SECTOR), label: None, uuid: None }
    }

    pub fn named(self, label: Option<&str>, uuid: Option<&str>) -> Self {
        Self { label: label.map(str::to_owned), uuid: uuid.map(str::to_owned), ..self }
    }
}

/// Makes an empty image with these partitions, and gives the first sector of each.
pub(crate) fn write(image: &Path, table: Table, entries: &[Entry]) -> Result<Vec<u64>> {
    let (starts, end) = places(table, entries);
    let file = File::create(image).with_context(|| format!("create {}", image.display()))?;
    // One alignment unit more for the second copy of a GPT at the end.
    file.set_len((end + ALIGNMENT) * SECTOR).context("size of the disk image")?;
    let mut sfdisk = command("sfdisk");
    sfdisk.args(["--quiet", "--no-reread", "--no-tell-kernel"]).arg(image);
    let mut child = sfdisk
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("start sfdisk; ./setup.sh installs it")?;
    let mut input = child.stdin.take().context("sfdisk's input")?;
    input.write_all(script(table, entries, &starts).as_bytes()).context("write to sfdisk")?;
    drop(input);
    let output = child.wait_with_output().context("wait for sfdisk")?;
    if !output.status.success() {
        bail!("partition table of {}: sfdisk: {}", image.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(starts)
}

/// The first sector of each partition, and the first free one after all. Pure.
fn places(table: Table, entries: &[Entry]) -> (Vec<u64>, u64) {
    // Within an extended partition, a table of its own is before each logical one.
    let mut next = if table == Table::MbrLogical { 2 * ALIGNMENT } else { ALIGNMENT };
    let mut starts = Vec::new();
    for entry in entries {
        starts.push(next);
        next = (next + entry.sectors).next_multiple_of(ALIGNMENT);
    }
    (starts, next)
}

/// What sfdisk reads. Pure.
fn script(table: Table, entries: &[Entry], starts: &[u64]) -> String {
    let mut lines = vec![if table == Table::Gpt { "label: gpt".to_owned() } else { "label: dos".to_owned() }];
    if table == Table::MbrLogical {
        // Without a size it reaches to the end of the disk.
        lines.push(format!("start={ALIGNMENT}, type=5"));
    }
    for (entry, start) in entries.iter().zip(starts) {
        let mut line = format!("start={start}, size={}, type={}", entry.sectors, entry.kind);
        if let Some(label) = &entry.label {
            line.push_str(&format!(", name=\"{label}\""));
        }
        if let Some(uuid) = &entry.uuid {
            line.push_str(&format!(", uuid={uuid}"));
        }
        lines.push(line);
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_aligned_and_do_not_overlap() {
        let entries = [Entry::new("a", 1), Entry::new("b", 3 << 20), Entry::new("c", 512)];
        assert_eq!(places(Table::Gpt, &entries), (vec![2048, 4096, 4096 + 6144], 4096 + 6144 + 2048));
        assert_eq!(places(Table::MbrLogical, &entries[..1]), (vec![4096], 6144));
    }

    #[test]
    fn the_script_names_type_label_and_uuid() {
        let entry = Entry::new("linux", 1 << 20).named(Some("DATA"), Some("11111111-2222-4333-8444-555555555555"));
        assert_eq!(
            script(Table::Gpt, &[entry], &[2048]),
            "label: gpt\nstart=2048, size=2048, type=linux, name=\"DATA\", uuid=11111111-2222-4333-8444-555555555555\n"
        );
    }
}
