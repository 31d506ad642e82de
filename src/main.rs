//! The coverledger command.
fn main() {}
