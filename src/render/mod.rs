//! From the model to bytes: pure functions that touch neither clock, file system nor environment.

mod file;

pub use file::{Content, File};
