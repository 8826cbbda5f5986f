//! Mangled configurations.
