//! The server images of 18.04 that were published with the debian-installer.

/// An image's digest, as its SHA256SUMS gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The point release.
    pub release: &'static str,
    /// The file's name.
    pub name: &'static str,
    /// Lower-case hexadecimal.
    pub sha256: &'static str,
}

/// From the SHA256SUMS of the releases; both are quoted alike in many independent places.
const PUBLISHED: [Published; 2] = [
    Published {
        release: "18.04.5",
        name: "ubuntu-18.04.5-server-amd64.iso",
        sha256: "8c5fc24894394035402f66f3824beb7234b757dd2b5531379cb310cedfdf0996",
    },
    Published {
        release: "18.04.6",
        name: "ubuntu-18.04.6-server-amd64.iso",
        sha256: "f5cbb8104348f0097a8e513b10173a07dbc6684595e331cb06f93f385d0aecf6",
    },
];

impl Published {
    /// The image that an image's own description claims to be, if its digest is known.
    #[must_use]
    pub(super) fn claimed(info: &str) -> Option<Self> {
        PUBLISHED
            .into_iter()
            .find(|image| info.split_whitespace().any(|word| word == image.release))
    }
}
