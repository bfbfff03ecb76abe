//! The browser's half of Countersign.
