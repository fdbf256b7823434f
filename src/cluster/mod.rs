//! What speaks to living machines.
//!
//! The profile is the wish, the cluster's own database is the truth, and the desk, which has the site secret, is where
//! both can be seen. Asking ([`look`]) is apart from deciding: what is decided is a pure function of the profile and of
//! what was [`Seen`]. Every connection is pinned to certificates that are derived from the site secret; no name, no
//! authority and no date is believed instead.

mod apply;
mod ask;
mod bring_back;
mod clock;
mod connection;
mod host_keys;
mod notes;
mod plan;
mod records;
mod rescue;
mod retire;
mod rotate;
mod rotate_host;
mod seen;
mod ssh;
mod status;
mod step;
mod upgrade;
mod verify;
mod votes;

pub use apply::{ApplyError, apply, apply_on, takers};
pub use ask::{AskError, look};
pub use bring_back::bring_back;
pub use host_keys::{Machine, OnMachine};
pub use plan::{admit, plan};
pub use records::{RecordsOf, records};
pub use rescue::rescue;
pub use retire::{Leaving, retire, retired};
pub use rotate::{desk_alone, desk_beside, rotate_clients, rotate_cluster};
pub use rotate_host::{is_settling, may_rotate_host, rotate_host};
pub use seen::{
    Answer, Certificate, ClusterSeen, Founding, HostSeen, Identity, Member, MemberPool, Pool, Records, Seen, Server,
    Told,
};
pub use ssh::{Ssh, SshError};
pub use status::{HostStatus, PoolStatus, State, Status, Undeclared, Verdict, status};
pub use step::{Left, Plan, Refusal, Step};
pub use upgrade::{
    Build, UpgradeError, UpgradePlan, UpgradeSeen, UpgradeStep, UpgradeWish, plan_upgrade, see_upgrade, upgrade_step,
};
pub use verify::{Example, Shown, Wish, verify};
pub(crate) use verify::{FAMILY, rules};
