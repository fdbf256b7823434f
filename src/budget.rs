//! How much is read of what others wrote, at the most. docs/limits.md tells the same; a test compares them.
//!
//! Each number is far above what honest files have, and low enough that a build host of 2 GB is not filled: reading
//! profiles takes some sixty times their size of memory.

/// Bytes of all profiles of a site together, and so of one. 10,000 hosts take about 4 MB.
pub(crate) const MAX_SITE_BYTES: u64 = 8 << 20;

/// Files and folders that lie in a site, whatever they are. What a link leads to counts each time.
pub(crate) const MAX_SITE_ENTRIES: usize = 200_000;

/// Links of a site that are followed.
pub(crate) const MAX_SITE_LINKS: usize = 10_000;

/// Bytes of a `#cloud-config` that a host names. It is in the seed of each.
pub(crate) const MAX_CLOUD_CONFIG_BYTES: usize = 64 << 10;

/// Values that the hosts of a cluster take from what they share, counted once for each host. 10,000 hosts take 100 each.
pub(crate) const MAX_SHARED_VALUES: usize = 1_000_000;

/// Snaps of a site and their assertions. A cluster has three of each.
pub(crate) const MAX_SNAP_FILES: usize = 2000;

/// Bytes of one snap. LXD's has about 100 MB.
pub(crate) const MAX_SNAP_BYTES: u64 = 2 << 30;

/// Bytes of all snaps of a site that are no larger than that.
pub(crate) const MAX_ALL_SNAPS_BYTES: u64 = 32 << 30;

/// Seconds in which a site's folder is walked through.
pub(crate) const MAX_WALK_SECONDS: u64 = 120;

/// Findings of a report. What makes more of them has a few causes, or none that a person would mend by hand.
pub(crate) const MAX_FINDINGS: usize = 20_000;

/// Bytes of a snap's own description. One of the store's has a few KiB.
pub(crate) const MAX_SNAP_META_BYTES: u64 = 256 << 10;

/// Bytes of a file of assertions. One snap's have a few KiB.
pub(crate) const MAX_ASSERTION_BYTES: u64 = 256 << 10;

/// Bytes of the disk that an image holds, holes counted.
pub(crate) const MAX_DISK_BYTES: u64 = 2 << 40;

/// Entries of a disk's partition table. There is room for 128 where it is not made larger.
pub(crate) const MAX_PARTITIONS: u32 = 1024;

/// Files that the manifest of a cloud image names. A seed has four, and each snap brings two.
pub(crate) const MAX_IMAGE_FILES: usize = 500;

/// Bytes of all folders of an ISO 9660 image. A medium for 10,000 hosts has about 10 MB of them.
pub(crate) const MAX_FOLDERS_BYTES: u64 = 64 << 20;

/// Bytes of a SHA256SUMS beside an image.
pub(crate) const MAX_SUMS_BYTES: u64 = 1 << 20;
