//! Pairs that are right, and each way to be wrong.
