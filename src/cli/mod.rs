//! The commands, one file each: arguments in, results on standard output, an exit code back.

pub mod check_config;
