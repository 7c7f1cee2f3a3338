//! What each vendor is sent.
