//! What each release of the outside world promises: tables that rules and renderers look things up in.

pub mod lxd;
pub mod preseed;
pub mod ubuntu;
