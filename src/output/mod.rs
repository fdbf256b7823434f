//! The output tree.
