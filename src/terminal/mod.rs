//! What a person at a terminal sees.

pub(crate) mod printer;
pub(crate) mod progress;
pub(crate) mod redact;
pub(crate) mod signals;
pub(crate) mod table;
