//! Digests as their readers get them: when they go out and when not, to whom, with what shortened,
//! and split among many.

mod config;
mod parts;
mod sending;
