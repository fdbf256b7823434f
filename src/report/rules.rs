//! Every rule that a report may name: of profiles, and of living clusters.

use crate::finding::{Family, Rule};
use crate::{check, cluster};

/// Every family of rules, in the order of the reference.
pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    check::families().chain([&cluster::FAMILY])
}

/// Every rule there is, by code.
#[must_use]
pub fn rules() -> Vec<&'static Rule> {
    let mut rules = check::rules();
    rules.extend(cluster::rules());
    rules.sort_by_key(|rule| rule.code);
    rules
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_rule_is_in_a_family() {
        for rule in rules() {
            let families = families().filter(|family| family.holds(rule));
            assert_eq!(families.count(), 1, "{}", rule.code);
        }
    }

    #[test]
    fn codes_and_slugs_are_used_once_and_explained() {
        let (mut codes, mut slugs) = (HashSet::new(), HashSet::new());
        for rule in rules() {
            assert!(codes.insert(rule.code), "{} is used twice", rule.code);
            assert!(slugs.insert(rule.slug), "{} is used twice", rule.slug);
            assert!(rule.about.len() > 40, "{} is not explained", rule.code);
            assert!(
                rule.slug
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
            );
        }
    }
}
