//! A small Salesforce org, a mail inbox and a webhook catcher, in process, for the demo and the
//! tests. They serve real sockets and know nothing of the rest of postrider (but its clock trait).

pub mod catcher;
pub mod inbox;
pub mod org;
mod shelf;
