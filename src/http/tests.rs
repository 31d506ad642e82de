//! Every resource over the naive ledger.

mod access;
mod answers;
mod api;
mod batch_lines;
mod browser;
mod edges;
mod fuzz;
mod limits;
mod page;
mod page_browser;
mod page_names;
mod page_parameters;
mod pages;
mod parameters;
mod raw;
mod receipts;
mod world;
