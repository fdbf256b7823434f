//! How findings look.

mod sanitize;
mod text;

pub use sanitize::sanitize;
pub use text::render as text;
