//! Every resource over the naive ledger.

mod api;
mod fuzz;
mod limits;
mod page;
mod pages;
mod world;
