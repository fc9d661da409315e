//! Which generations a boot uses. Pure.

use super::{Generation, Generations, State};

/// Sessions that have to stand on one without an end before it is merged. The first one above it may be the one in which
/// somebody finds that it is to be left out, and an unclean session changes no older one until then.
const SETTLED: usize = 2;

/// What a profile's next session is written above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tip {
    /// Nothing was saved yet.
    New,
    /// This generation; 0 for the image itself.
    Above(u32),
    /// All there is was written over other images; this one is the latest.
    OtherBase(u32),
    /// There are not as many sessions as are to be left out.
    TooFar {
        /// How many there are.
        there: usize,
    },
}

impl Generations {
    /// The generation of this number.
    #[must_use]
    pub fn find(&self, number: u32) -> Option<&Generation> {
        self.all.iter().find(|generation| generation.number == number)
    }

    fn find_mut(&mut self, number: u32) -> Option<&mut Generation> {
        self.all.iter_mut().find(|generation| generation.number == number)
    }

    /// Where the next session of a profile begins over this base, the last `back` ones left out.
    #[must_use]
    pub fn tip(&self, profile: &str, base: &[u8; 32], back: usize) -> Tip {
        let mine = || self.all.iter().rev().filter(|g| g.profile == profile && g.state != State::Dropped);
        let Some(newest) = mine().find(|generation| generation.base == *base) else {
            return mine().next().map_or(Tip::New, |other| Tip::OtherBase(other.number));
        };
        let line = self.line(newest.number);
        match line.get(back) {
            Some(number) => Tip::Above(*number),
            None if line.len() == back => Tip::Above(0),
            None => Tip::TooFar { there: line.len() },
        }
    }

    /// A generation and all below it, the highest first.
    #[must_use]
    pub fn line(&self, from: u32) -> Vec<u32> {
        let mut line = Vec::new();
        let mut next = self.find(from);
        while let Some(generation) = next {
            line.push(generation.number);
            // A parent has a smaller number, so this ends.
            next = self.find(generation.parent);
        }
        line
    }

    /// The number of the next generation.
    #[must_use]
    pub fn next_number(&self) -> u32 {
        self.all.last().map_or(1, |last| last.number.saturating_add(1))
    }

    /// The state of a generation from now on.
    pub fn set_state(&mut self, number: u32, state: State) {
        if let Some(generation) = self.find_mut(number) {
            generation.state = state;
        }
    }

    /// The profile of a generation from now on.
    pub fn set_profile(&mut self, number: u32, profile: &str) {
        if let Some(generation) = self.find_mut(number) {
            profile.clone_into(&mut generation.profile);
        }
    }

    /// A line belongs to this base from now on.
    pub fn rebase(&mut self, from: u32, base: [u8; 32]) {
        for number in self.line(from) {
            if let Some(generation) = self.find_mut(number) {
                generation.base = base;
            }
        }
    }

    /// Sessions that did not come to an end are marked so; gives their numbers. What was begun in this boot, and of what no
    /// layer is there, never ran. A kernel that tells no boot id does not make two boots one.
    pub fn end_the_lost(&mut self, boot: &str, layers: &[u32]) -> Vec<u32> {
        let mut lost = Vec::new();
        for generation in self.all.iter_mut().filter(|generation| generation.state == State::Running) {
            if (!boot.is_empty() && generation.boot == boot) || !layers.contains(&generation.number) {
                generation.state = State::Dropped;
            } else {
                generation.state = State::Unclean;
                lost.push(generation.number);
            }
        }
        lost
    }

    /// Takes generations out of the record that may be deleted; gives their numbers.
    pub fn take_deletable(&mut self) -> Vec<u32> {
        let gone = self.deletable();
        self.all.retain(|generation| !gone.contains(&generation.number));
        gone
    }

    /// The generation of a line that can be merged into its parent while more than `keep` are there: the second from the
    /// bottom, when nothing else stands on either. One that did not come to its end stays apart at first ([`SETTLED`]).
    #[must_use]
    pub fn to_merge(&self, tip: u32, keep: usize) -> Option<u32> {
        let line = self.line(tip);
        let (&bottom, rest) = line.split_last()?;
        let &second = rest.last()?;
        let children =
            |number: u32| self.all.iter().filter(|g| g.parent == number && g.state != State::Dropped).count();
        let ended = |number: u32, above: usize| match self.find(number).map(|generation| generation.state) {
            Some(State::Unclean) => above >= SETTLED,
            state => state == Some(State::Saved),
        };
        let alone = children(bottom) == 1 && (second == tip || children(second) == 1);
        let alike = self.find(bottom).map(|g| (&g.profile, g.base)) == self.find(second).map(|g| (&g.profile, g.base));
        let (over_second, over_bottom) = (line.len().saturating_sub(2), line.len().saturating_sub(1));
        let may = alone && alike && ended(bottom, over_bottom) && ended(second, over_second);
        (line.len() > keep.max(1) && may).then_some(second)
    }

    /// A generation whose layer has been moved into its parent's is gone: what was above it is above its parent now.
    pub fn merged(&mut self, number: u32) {
        let Some(parent) = self.find(number).map(|generation| generation.parent) else { return };
        self.all.retain(|generation| generation.number != number);
        for generation in self.all.iter_mut().filter(|generation| generation.parent == number) {
            generation.parent = parent;
        }
        self.merging = None;
    }

    /// Generations that may be deleted: dropped ones on which nothing stands that may not.
    #[must_use]
    pub fn deletable(&self) -> Vec<u32> {
        let mut gone: Vec<u32> = Vec::new();
        // Children have greater numbers.
        for generation in self.all.iter().rev() {
            let mut above = self.all.iter().filter(|other| other.parent == generation.number);
            if generation.state == State::Dropped && above.all(|other| gone.contains(&other.number)) {
                gone.push(generation.number);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BASE, record};
    use super::*;

    #[test]
    fn the_latest_session_over_the_same_base_is_the_tip() {
        let record = record(&[(1, 0), (2, 1), (3, 2)]);
        assert_eq!(record.tip("p", &BASE, 0), Tip::Above(3));
        assert_eq!(record.tip("p", &BASE, 1), Tip::Above(2));
        assert_eq!(record.tip("p", &BASE, 3), Tip::Above(0));
        assert_eq!(record.tip("p", &BASE, 4), Tip::TooFar { there: 3 });
        assert_eq!(record.tip("q", &BASE, 0), Tip::New);
        assert_eq!(record.tip("p", &[7; 32], 0), Tip::OtherBase(3));
        assert_eq!(record.line(3), [3, 2, 1]);
    }

    #[test]
    fn a_session_that_left_one_out_has_a_line_of_its_own() {
        let record = record(&[(1, 0), (2, 1), (3, 1)]);
        assert_eq!(record.line(3), [3, 1]);
        assert_eq!(record.tip("p", &BASE, 1), Tip::Above(1));
        // 1 has two children.
        assert_eq!(record.to_merge(3, 1), None);
    }

    #[test]
    fn dropped_and_lost_sessions() {
        let mut record = record(&[(1, 0), (2, 1), (3, 2)]);
        record.set_state(3, State::Running);
        assert_eq!(record.end_the_lost("me", &[1, 2, 3]), [3]);
        assert_eq!(record.find(3).unwrap().state, State::Unclean);
        assert_eq!(record.tip("p", &BASE, 0), Tip::Above(3));
        for (boot, layers) in [("b", &[1, 2, 3][..]), ("me", &[1, 2])] {
            record.set_state(3, State::Running);
            assert_eq!(record.end_the_lost(boot, layers), [0; 0]);
            assert_eq!(record.find(3).unwrap().state, State::Dropped);
        }
        record.all.last_mut().unwrap().boot.clear();
        record.set_state(3, State::Running);
        assert_eq!(record.end_the_lost("", &[1, 2, 3]), [3], "without boot ids nobody knows");
        record.set_state(3, State::Dropped);
        assert_eq!(record.tip("p", &BASE, 0), Tip::Above(2));
        assert_eq!(record.deletable(), [3]);
        record.set_state(1, State::Dropped);
        assert_eq!(record.deletable(), [3]);
        record.set_state(2, State::Dropped);
        assert_eq!((record.take_deletable(), record.all.len()), (vec![3, 2, 1], 0));
    }

    #[test]
    fn the_lowest_two_are_merged_and_the_line_closes() {
        let mut record = record(&[(1, 0), (2, 1), (3, 2)]);
        assert_eq!(record.to_merge(3, 3), None);
        assert_eq!(record.to_merge(3, 2), Some(2));
        record.merging = Some(2);
        record.merged(2);
        assert_eq!((record.line(3), record.merging), (vec![3, 1], None));
        assert_eq!(record.to_merge(3, 1), Some(3));
        record.set_profile(3, "other");
        assert_eq!(record.to_merge(3, 1), None);
    }

    #[test]
    fn one_without_an_end_is_merged_once_two_stand_on_it() {
        for (lost, line, merged) in [
            (2, &[(1, 0), (2, 1), (3, 2)][..], None),
            (2, &[(1, 0), (2, 1), (3, 2), (4, 3)], Some(2)),
            (1, &[(1, 0), (2, 1)], None),
            (1, &[(1, 0), (2, 1), (3, 2)], Some(2)),
            (3, &[(1, 0), (2, 1), (3, 2)], Some(2)),
        ] {
            let mut record = record(line);
            record.set_state(lost, State::Unclean);
            assert_eq!(record.to_merge(line.last().unwrap().0, 1), merged, "{lost} of {line:?}");
        }
    }

    #[test]
    fn a_line_that_is_kept_belongs_to_the_new_base() {
        let mut record = record(&[(1, 0), (2, 1), (3, 1)]);
        record.rebase(2, [7; 32]);
        assert_eq!(record.tip("p", &[7; 32], 0), Tip::Above(2));
        assert_eq!(record.tip("p", &BASE, 0), Tip::Above(3));
    }
}
