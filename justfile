# `just` lists what there is to do.

default:
    @just --list --unsorted

# What CI runs: every test
ci *levels:
    .ci/run {{levels}}

# What to run before each commit
quick:
    tests/run quick

# Soaks
long:
    tests/run long

# Writes every file that tests compare with; its diff is reviewed like code
bless:
    LXSEED_BLESS=1 cargo test --locked --test it -- golden:: mistakes:: reports:: schema::

fmt:
    cargo fmt

# Licences, advisories and sources of the dependencies
deny:
    cargo deny check

# Speed beside what one would use instead
bench:
    benches/side-by-side --sizes 1000 --rounds 3

# A static program for a release
static:
    cargo build --locked --release --target x86_64-unknown-linux-musl
