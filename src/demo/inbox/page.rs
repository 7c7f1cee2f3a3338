//! x
/// x
pub struct Page;
