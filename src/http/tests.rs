//! Every resource over the naive ledger.

mod access;
mod answers;
mod api;
mod batch_lines;
mod behind;
#[path = "../../tests/testkit/chromium.rs"]
mod chromium;
mod edges;
mod fuzz;
mod journeys;
mod limits;
mod named_world;
mod page;
mod page_browser;
mod page_bulk;
mod page_case;
mod page_entry;
mod page_names;
mod page_operations;
mod page_parameters;
mod page_stored;
mod pages;
mod parameters;
mod raw;
mod receipts;
#[path = "../../tests/testkit/walk.rs"]
mod walk;
mod world;
