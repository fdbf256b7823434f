//! What the outside world promises: a release of Ubuntu, LXD's snap on it, and the words that choose among them. Nothing of
//! lxseed is below this.

pub mod lxd;
mod release;
mod word;

pub use release::Release;
pub use word::{Driver, FindBy, Kernel, Overlay, VolumeKind};
