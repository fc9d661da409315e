//! The answer as text for people.

use super::answer::{Answer, Operation, Outcome, Parameter};
use std::fmt;

/// Columns that a first column has at most; a longer entry pushes its own line to the right.
const WIDEST: usize = 48;

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.words.iter().map(|word| (word.word.clone(), word.fate.to_owned())).collect();
        table(f, "words", &words)?;
        table(f, "plan", &self.plan.iter().filter_map(row).collect::<Vec<_>>())?;
        if let Some(line) = &self.one_line {
            writeln!(f, "as one line: {}\n", shown(line))?;
        }
        list(f, "assumed", &self.assumed)?;
        for step in &self.stages {
            if step.says.is_empty() {
                writeln!(f, "{}:", step.stage)?;
            }
            for says in &step.says {
                writeln!(f, "{}: {}", step.stage, shown(says))?;
            }
            for Operation { text, refused } in &step.operations {
                match refused {
                    None => writeln!(f, "  {}", shown(text))?,
                    Some(why) => writeln!(f, "  {} -> {why}", shown(text))?,
                }
            }
        }
        if !self.stages.is_empty() {
            writeln!(f)?;
        }
        list(f, "warnings", &self.warnings)?;
        match &self.outcome {
            Outcome::Boots { executes } => writeln!(f, "boots: {} is executed", shown(executes)),
            Outcome::Decided => writeln!(f, "decided: what is done with it depends on the store; name it with --store"),
            Outcome::Fails { error, hint, then } => {
                writeln!(f, "fails: {}", shown(error))?;
                if let Some(hint) = hint {
                    writeln!(f, "hint: {hint}")?;
                }
                writeln!(f, "then: {then}")
            }
        }
    }
}

/// Parameters that are typed nowhere and have no value of their own are no news.
fn row(parameter: &Parameter) -> Option<(String, String)> {
    let Parameter { name, value, word } = parameter;
    let value = match (*name, value) {
        ("isolde.image", None) => "the medium itself",
        ("isolde.store", None) => "any device",
        (_, None) => return None,
        (_, Some(value)) if value.is_empty() => "yes",
        (_, Some(value)) => value,
    };
    let word = word.as_ref().map_or_else(|| "the default".to_owned(), |word| format!("from {word}"));
    Some((format!("{name} {value}"), word))
}

fn table(f: &mut fmt::Formatter<'_>, title: &str, rows: &[(String, String)]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}:")?;
    let width = rows.iter().map(|(left, _)| shown(left).chars().count()).max().unwrap_or_default().min(WIDEST);
    for (left, right) in rows {
        writeln!(f, "  {:width$}  {}", shown(left), shown(right))?;
    }
    writeln!(f)
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}:")?;
    lines.iter().try_for_each(|line| writeln!(f, "  {}", shown(line)))?;
    writeln!(f)
}

/// Without control characters, which a name from a disk could use to forge a line or to move the cursor.
fn shown(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_a_disk_cannot_forge_a_line() {
        assert_eq!(shown("a\nboots: \x1b[2J\u{e4}"), "a\\nboots: \\u{1b}[2J\u{e4}");
    }
}
