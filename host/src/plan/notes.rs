//! What had to be assumed for an answer, collected wherever it is assumed.

use std::sync::{Arc, Mutex, PoisonError};

/// Shared by everything that one answer is made of.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    /// Says it once.
    pub(super) fn say(&self, note: String) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// All of them, in the order in which they were said.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
