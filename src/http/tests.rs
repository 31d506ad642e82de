//! Every resource over the naive ledger.

mod api;
mod edges;
mod fuzz;
mod limits;
mod page;
mod pages;
mod raw;
mod world;
