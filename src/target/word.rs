//! Choices out of a few words.

/// Declares an enum whose variants are the field's own words.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$variant_meta])* $variant, )* }

        impl $name {
            /// Every choice.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The word as profiles, cloud-init and LXD write it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

words! {
    /// Which Ubuntu kernel the machines run.
    pub enum Kernel {
        /// The kernel of the release, 4.15 on 18.04.
        Ga = "ga",
        /// The hardware enablement kernel, 5.4 on 18.04.
        Hwe = "hwe",
    }
}

words! {
    /// LXD's storage drivers that sit on a local disk.
    pub enum Driver {
        /// ZFS.
        Zfs = "zfs",
        /// btrfs.
        Btrfs = "btrfs",
        /// LVM.
        Lvm = "lvm",
        /// A folder on ext4.
        Dir = "dir",
    }
}

words! {
    /// The network LXD makes for instances.
    pub enum Overlay {
        /// An Ubuntu fan bridge: instances reach one another across hosts.
        Fan = "fan",
        /// A private bridge per host with NAT.
        Bridge = "bridge",
        /// No network.
        None = "none",
    }
}

words! {
    /// One way to find a disk.
    pub enum FindBy {
        /// Name below /dev/disk/by-id.
        ById = "by_id",
        /// Serial number.
        Serial = "serial",
        /// World Wide Name.
        Wwn = "wwn",
        /// Name below /dev/disk/by-path.
        ByPath = "by_path",
        /// SCSI host:channel:target:lun.
        Hctl = "hctl",
    }
}

words! {
    /// What a volume is made of.
    pub enum VolumeKind {
        /// One block device, such as a hardware RAID volume.
        Device = "device",
        /// Linux md RAID-1 over two disks.
        Mirror = "mirror",
        /// A zpool with one mirror over two disks.
        ZfsMirror = "zfs_mirror",
    }
}

words! {
    /// How a bond spreads packets over its links, in the words of Linux and netplan.
    pub enum BondMode {
        /// One link at a time; any switch will do.
        ActiveBackup = "active-backup",
        /// LACP.
        Lacp = "802.3ad",
        /// One link after the other; the switch has a static group.
        RoundRobin = "balance-rr",
        /// By a hash of the addresses; the switch has a static group.
        Xor = "balance-xor",
        /// Everything on all links; the switches know nothing of one another.
        Broadcast = "broadcast",
        /// By load when sending; any switch will do.
        Tlb = "balance-tlb",
        /// By load both ways; any switch will do.
        Alb = "balance-alb",
    }
}

words! {
    /// How often the partner of an LACP bond shall send its word.
    pub enum LacpRate {
        /// Every thirty seconds.
        Slow = "slow",
        /// Every second.
        Fast = "fast",
    }
}

words! {
    /// What of a packet decides which link it takes.
    pub enum HashPolicy {
        /// Hardware addresses.
        Layer2 = "layer2",
        /// Hardware and IP addresses.
        Layer23 = "layer2+3",
        /// IP addresses and ports.
        Layer34 = "layer3+4",
        /// Those of what is in a tunnel, hardware and IP addresses.
        Encap23 = "encap2+3",
        /// Those of what is in a tunnel, IP addresses and ports.
        Encap34 = "encap3+4",
    }
}
