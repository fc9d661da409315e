//! Shell patterns as fnmatch(3) reads them with no flags, which is what modules' aliases are written in.
//!
//! Takes   a pattern with `*`, `?`, `[a-z]`, `[!a]`, `[^a]` and `\x`, and a text; both are bytes, as in the C locale.
//! Gives   whether the whole text matches, in time (pattern × text) at most. A `[` that is never closed stands for itself.
//!         Character classes (`[[:alpha:]]`) do not occur in aliases and are not understood.

/// Does the whole of `text` match `pattern`?
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when the text after the last star does not fit: the star takes one byte more. Going back to an
    // earlier star can never help, so this is not exponential.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let advance = match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
                continue;
            }
            Some(_) => text.get(t).and_then(|&byte| one(pattern.get(p..).unwrap_or_default(), byte)),
            None if t == text.len() => return true,
            None => None,
        };
        match (advance, retry) {
            (Some(len), _) => {
                p += len;
                t += 1;
            }
            (None, Some((star, from))) if from < text.len() => {
                retry = Some((star, from + 1));
                (p, t) = (star, from + 1);
            }
            (None, _) => return false,
        }
    }
}

/// Length of the first element of `pattern`, when it matches `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', rest @ ..] => match bracket(rest, byte) {
            Some((len, true)) => Some(1 + len),
            Some((_, false)) => None,
            None => (byte == b'[').then_some(1),
        },
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'\\'] => None,
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Reads a bracket expression after its `[`: its length with the `]`, and whether `byte` is in it. `None` when it is not
/// closed.
fn bracket(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let first = usize::from(negated);
    let mut at = first;
    let mut found = false;
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, found != negated));
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|&end| end != b']') {
            at += 1;
            high = *pattern.get(at)?;
            if high == b'\\' {
                at += 1;
                high = *pattern.get(at)?;
            }
            at += 1;
        }
        found |= (low..=high).contains(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        let yes = [
            ("", ""),
            ("*", ""),
            ("*", "abc"),
            ("a*c*e", "abcde"),
            ("usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*", "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00"),
            ("?b?", "abc"),
            ("[0-9]*", "7x"),
            ("[!0-9]", "x"),
            ("[^a]", "b"),
            ("[]a]", "]"),
            ("[a-]", "-"),
            ("a[bc", "a[bc"),
            (r"\*", "*"),
            (r"[\]]", "]"),
        ];
        let no = [
            ("", "a"),
            ("a", ""),
            ("?", ""),
            ("[0-9]", "x"),
            ("[!0-9]", "7"),
            ("a*c", "abd"),
            (r"\*", "x"),
            ("[z-a]", "m"),
            ("a\\", "a\\"),
        ];
        for (pattern, text) in yes {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in no {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_are_quick() {
        let pattern = "a*".repeat(2000);
        let text = "a".repeat(1999);
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }

    proptest! {
        #[test]
        fn total(pattern in any::<Vec<u8>>(), text in any::<Vec<u8>>()) {
            let _ = matches(&pattern, &text);
        }

        #[test]
        fn literal_matches_itself(text in "[a-z0-9:_-]*") {
            prop_assert!(matches(text.as_bytes(), text.as_bytes()));
            let starred = format!("*{text}*");
            prop_assert!(matches(starred.as_bytes(), text.as_bytes()));
        }
    }
}
