//! Settings of the running kernel.

const NAMES: &str = include_str!("sysctl.txt");

/// Names that `sysctl -a` prints, with `all` or `default` in place of an interface's. It does not have all there are.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.lines().skip(1)
}
