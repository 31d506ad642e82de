//! Every resource over the naive ledger.

mod api;
mod browser;
mod edges;
mod fuzz;
mod limits;
mod page;
mod page_browser;
mod page_names;
mod pages;
mod raw;
mod world;
