//! The edges where events come in.

pub mod kafka;
