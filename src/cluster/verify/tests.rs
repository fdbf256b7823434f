#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::seen::{Answer, Identity, MemberPool};
use super::example::EXAMPLES;
use super::world::{Good, World};
use super::*;
use crate::report::{Options, Report, texts};

/// The codes of what is found of a change of the good cluster.
fn codes(change: impl FnOnce(&mut World)) -> Vec<&'static str> {
    let found = found(change);
    found.findings().iter().map(|finding| finding.rule.code).collect()
}

fn found(change: impl FnOnce(&mut World)) -> Checked {
    let good = Good::new().unwrap();
    let mut world = good.world.clone();
    change(&mut world);
    good.verified(&world)
}

/// The first message.
fn message(change: impl FnOnce(&mut World)) -> String {
    found(change).findings()[0].message.clone()
}

fn silent() -> Answer {
    Answer::Silent("no route to host".to_owned())
}

#[test]
fn the_good_cluster_has_no_findings() {
    assert_eq!(codes(|_| {}), [""; 0]);
}

#[test]
fn every_rule_has_one_broken_cluster_that_breaks_it_alone() {
    for rule in rules() {
        let examples = EXAMPLES.iter().filter(|example| example.is_of(rule));
        assert_eq!(examples.count(), 1, "{}", rule.code);
        let checked = Example::of(rule).unwrap().check().unwrap();
        let codes: Vec<&str> = checked.findings().iter().map(|finding| finding.rule.code).collect();
        assert_eq!(codes, [rule.code]);
        let (broken, good) = Example::of(rule).unwrap().lines();
        assert!(!broken.is_empty() || !good.is_empty(), "{}", rule.code);
    }
}
