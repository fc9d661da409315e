//! A fake kernel for tests.
