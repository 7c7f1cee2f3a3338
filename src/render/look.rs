//! The look of a company: its logo, its colour, its last line.

use serde::{Deserialize, Serialize};

/// What a config may change of how mails look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Stands above the title.
    pub logo: Option<Logo>,
    /// Of links and of the headline's edge, as `#rrggbb`; dark enough to be read on white.
    pub accent: Option<String>,
    /// A line of its own at the end.
    pub footer: Option<String>,
}

/// A picture that stands above the title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logo {
    /// The file: PNG or JPEG.
    pub bytes: Vec<u8>,
    /// What it says, for those who do not see it.
    pub alt: String,
    /// Width as shown, in pixels.
    pub width: u16,
    /// Height as shown, in pixels.
    pub height: u16,
}
