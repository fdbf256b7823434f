//! For how long a host that was let in and never came is trusted.

use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::notes::Of;
use super::seen::{Answer, ClusterSeen};
use crate::model::Cluster;

/// What is noted of a host that may come from today on.
pub(super) fn begun(fingerprint: &str, now: OffsetDateTime) -> String {
    format!("{} {fingerprint}", now.date())
}

/// The days since it was noted that the holder of this certificate may come; none if that is not known.
pub(super) fn days(found: &ClusterSeen, name: &str, fingerprint: &str, now: OffsetDateTime) -> Option<i64> {
    let (day, of) = found.notes.get(&Of::Trusted.key(name))?.split_once(' ')?;
    let day = Date::parse(day, format_description!("[year]-[month]-[day]")).ok()?;
    (of == fingerprint).then(|| (now.date() - day).whole_days())
}

/// Whether the profile's time is over for a host, so many days after it was let in; how many it has.
pub(super) fn is_over(
    cluster: &Cluster,
    found: &ClusterSeen,
    name: &str,
    fingerprint: &str,
    now: OffsetDateTime,
) -> Option<u16> {
    let limit = cluster.trust_for?;
    days(found, name, fingerprint, now)
        .is_some_and(|days| days > i64::from(limit))
        .then_some(limit)
}

/// Whether the machine shows itself: then it is about to come.
pub(super) fn shows_itself(answer: &Answer) -> bool {
    !matches!(answer, Answer::Silent(_) | Answer::Foreign(_) | Answer::Nonsense(_))
}
