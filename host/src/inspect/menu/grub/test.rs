//! GRUB's `test` and `[`: the forms that config files of images use.

use super::UNKNOWN;
use isolde::sys::Kind;
use std::io;

/// Whether the condition holds. `-o` binds weaker than `-a`, as in grub-core/commands/test.c; parentheses are not
/// understood, and what is not understood does not hold.
pub(super) fn holds(words: &[String], kind: &dyn Fn(&str) -> io::Result<Option<Kind>>) -> io::Result<bool> {
    for all in words.split(|word| word == "-o") {
        let mut every = true;
        for one in all.split(|word| word == "-a") {
            every &= single(one, kind)?;
        }
        if every {
            return Ok(true);
        }
    }
    Ok(false)
}

fn single(words: &[String], kind: &dyn Fn(&str) -> io::Result<Option<Kind>>) -> io::Result<bool> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (negated, words) = match words.as_slice() {
        ["!", rest @ ..] => (true, rest),
        all => (false, all),
    };
    let holds = match words {
        // One word alone is itself, be it `-n` or `-z`, behind which an empty variable vanished.
        ["-n", text] | [text] => !text.is_empty(),
        ["-z", text] => text.is_empty(),
        [one, "=" | "==", other] => one == other && !one.contains(UNKNOWN),
        [one, "!=", other] => one != other,
        ["-d", path] => kind(path)? == Some(Kind::Directory),
        ["-e", path] => kind(path)?.is_some(),
        ["-f" | "-s", path] => matches!(kind(path)?, Some(Kind::File { .. })),
        _ => false,
    };
    Ok(holds != negated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let kind = |path: &str| {
            Ok(match path {
                "/dir" => Some(Kind::Directory),
                "/file" => Some(Kind::File { executable: false }),
                _ => None,
            })
        };
        for (line, wanted) in [
            ("-n|x", true),
            ("-n|", false),
            ("-z|", true),
            ("-z", true),
            ("", false),
            ("a|=|a", true),
            ("a|==|b", false),
            ("a|!=|b", true),
            ("!|-n|x", false),
            ("-d|/dir", true),
            ("-d|/file", false),
            ("-f|/file", true),
            ("-e|/none", false),
            ("!|-e|/none|-a|-n|x", true),
            ("a|=|b|-o|-n|x", true),
            ("a|-gt|b", false),
            ("\u{fffd}|=|\u{fffd}", false),
        ] {
            let words: Vec<String> = line.split('|').map(str::to_owned).collect();
            assert_eq!(holds(&words, &kind).unwrap(), wanted, "{line}");
        }
    }
}
