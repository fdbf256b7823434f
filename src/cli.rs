//! The command line.

use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use lxseed::target::lxd::Channel;

/// From host and disk profiles to unattended Ubuntu 18.04 machines that come up as one LXD cluster.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 done, 1 fix the profiles, the machines (verify) or the environment, \
                  2 wrong usage, 3 what was built is out of date (build --check, diff), or the machines are not \
                  as declared (status), 4 no machine answers."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How many threads work at once [default: one for each processor]; the result is always the same
    #[arg(short, long, global = true, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check profiles: every mistake with its place, in one run
    #[command(aliases = ["validate", "lint"])]
    Check(CheckArgs),
    /// Explain a rule that check or verify reports
    Explain(ExplainArgs),
    /// Show the whole of what holds for a host, and where each value comes from; no secret
    Show(ShowArgs),
    /// Check profiles and write everything the machines need
    Build(BuildArgs),
    /// Show what a build would change in what was built, secrets left out; exit 3 if anything
    Diff(DiffArgs),
    /// Put the seeds and answers of a fleet on 18.04's server image, or one seed into its cloud image
    Bake(BakeArgs),
    /// Make a seed image of one host from what build wrote
    Image(ImageArgs),
    /// Tell what an image or a built folder is for, and whether it is as it was built
    Inspect(InspectArgs),
    /// Ask the machines how they are: a line for each host, then what is there and not declared; exit 3 if anything
    /// is not as declared, 4 if nobody answers
    Status(StatusArgs),
    /// Ask the machines, and report what is not as the profiles declare, as check reports what is wrong with these;
    /// exit 1 if anything, 4 if nobody answers
    Verify(VerifyArgs),
    /// Let a declared host into its cluster, through any member that lives
    Admit(HostArgs),
    /// Bring a member back, with its pools and what is on them, after its system disk was lost and installed anew
    Return(HostArgs),
    /// Take a host out of its cluster for good, and its certificates out of LXD's trust
    Retire(RetireArgs),
    /// Where no member's database answers: show what LXD's own recovery is, with the names and addresses of the site; changes
    /// nothing; exit as status does
    Rescue(ClustersArgs),
    /// Show what of the profiles has not reached the clusters, and what apply would do; exit 3 if anything
    Plan(ClustersArgs),
    /// Bring to the clusters what plan shows; nothing that holds data is ever removed
    Apply(ClustersArgs),
    /// Bring LXD of a channel to every member, one after the other, over ssh as the profile's administrator: in LXD's own order, and on to
    /// the next only once the one before it is back. Cut off anywhere, a second run goes on
    Upgrade(UpgradeArgs),
    /// Replace keys of living clusters: the new one beside the old one, and the old one out once the new one works. The
    /// `generation` in the profile is what is wished for: raise it by one first. Cut off anywhere, a second run goes on
    #[command(subcommand)]
    Rotate(RotateCommand),
    /// Make or identify the site secret that every key is derived from
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Print the JSON Schema of a profile, for completion and checks in an editor
    Schema {
        /// Which one; without it, which there are
        what: Option<SchemaOf>,
        /// Write those of the profiles into this folder instead, and print the settings by which an editor finds them
        #[arg(short, long, value_name = "FOLDER", conflicts_with = "what")]
        output: Option<Utf8PathBuf>,
    },
}

/// What there is a schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// cluster.yaml
    Cluster,
    /// hosts/*.yaml
    Host,
    /// disks/*.yaml
    Disks,
    /// What `check --format json` and `verify --format json` print
    Report,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Folder with the profiles: a cluster.yaml each, hosts/ and disks/ beside it; or a file or folder in there, for
    /// what is wrong with that [default: profiles, here or in a folder above]
    pub(crate) site: Option<Utf8PathBuf>,
    /// Make the edits that are sure in the profiles, print them, and report what is left
    #[arg(long)]
    pub(crate) fix: bool,
    /// Also list, for a review, who gets in and which disks may be overwritten; text and json
    #[arg(long)]
    pub(crate) summary: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// How findings are reported, and which.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// How to report: text on standard error, all others on standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    /// Exit 1 on warnings, too
    #[arg(long)]
    pub(crate) strict: bool,
    /// Show errors only: no warnings, no closing line
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show at most this many findings, 0 for all [default: 20 of a text on a terminal, else all]
    #[arg(long, value_name = "N")]
    pub(crate) max_findings: Option<usize>,
}

/// How findings are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a person: source lines with what is wrong underlined
    Text,
    /// For programs, described by `lxseed schema report`
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions: annotations at the lines
    Github,
    /// JUnit XML, for the test reports of GitLab, Jenkins and others
    Junit,
}

#[derive(Debug, Args)]
#[group(required = true)]
pub(crate) struct ExplainArgs {
    /// Code or name of a rule, such as F004 or address-outside-subnet
    #[arg(value_name = "RULE")]
    pub(crate) rules: Vec<String>,
    /// List all rules
    #[arg(long, conflicts_with = "rules")]
    pub(crate) list: bool,
    /// Print the reference of all rules, in Markdown
    #[arg(long, conflicts_with_all = ["rules", "list"])]
    pub(crate) reference: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The host, as CLUSTER/HOST, or as its name where one cluster alone has it
    pub(crate) host: String,
    /// Folder with the profiles: a cluster.yaml each, hosts/ and disks/ beside it [default: profiles, here or in a folder
    /// above]
    pub(crate) site: Option<Utf8PathBuf>,
    /// How to tell it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: StatusFormat,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Folder with the profiles: a cluster.yaml each, hosts/ and disks/ beside it
    #[arg(default_value = "profiles")]
    pub(crate) site: Utf8PathBuf,
    /// Folder to write; replaced as a whole, or not at all
    #[arg(short, long, value_name = "FOLDER", default_value = "out")]
    pub(crate) output: Utf8PathBuf,
    /// Write this cluster or host anew and keep the rest as it is
    #[arg(long, value_name = "CLUSTER[/HOST]")]
    pub(crate) only: Option<String>,
    /// Write no seed.iso beside each host's seed
    #[arg(long)]
    pub(crate) no_seed_iso: bool,
    /// Write nothing; name every file that is out of date, and exit 3 if any is
    #[arg(long, alias = "dry-run", conflicts_with = "only")]
    pub(crate) check: bool,
    /// Say what was rendered, which files changed and how long it took
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Folder with the profiles: a cluster.yaml each, hosts/ and disks/ beside it
    #[arg(default_value = "profiles")]
    pub(crate) site: Utf8PathBuf,
    /// Folder that was built
    #[arg(short, long, value_name = "FOLDER", default_value = "out")]
    pub(crate) output: Utf8PathBuf,
    /// Compare with a build that writes no seed.iso
    #[arg(long)]
    pub(crate) no_seed_iso: bool,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BakeArgs {
    /// Folder with the profiles: a cluster.yaml each, hosts/ and disks/ beside it
    #[arg(default_value = "profiles")]
    pub(crate) site: Utf8PathBuf,
    /// The installer's image to start from, as published: ubuntu-18.04.6-server-amd64.iso
    #[arg(long, value_name = "FILE", required_unless_present = "image")]
    pub(crate) iso: Option<Utf8PathBuf>,
    /// Instead, the cloud image to start from, for one machine that is imaged: bionic-server-cloudimg-amd64.img
    #[arg(long, value_name = "FILE", conflicts_with_all = ["iso", "in_place", "kernel_args"])]
    pub(crate) image: Option<Utf8PathBuf>,
    /// How to store the cloud image [default: as the one it is made from]
    #[arg(long, value_name = "FORMAT", conflicts_with = "iso")]
    pub(crate) format: Option<DiskFormat>,
    /// File to write, mode 0600; only an earlier baked image is replaced
    #[arg(
        short,
        long,
        value_name = "FILE",
        required_unless_present = "in_place",
        conflicts_with = "in_place"
    )]
    pub(crate) output: Option<Utf8PathBuf>,
    /// Change the image itself, a copy of your own, instead of writing another one
    ///
    /// It has to be yours, with one name and opened by nobody else: who has it open could read the keys. (Of other
    /// users' programs only root can see which files they have open.)
    ///
    /// It is the image that it was until its beginning is written, last of all. If something fails, as on a full disk, or
    /// at Ctrl-C it is put back as it was, and where that fails, too, the message says so. If the program is killed by
    /// force or the power fails, it boots as before or is baked; in the first case keys may lie behind its end, so bake it
    /// again or remove it.
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Only this cluster or host
    #[arg(long, value_name = "CLUSTER[/HOST]")]
    pub(crate) only: Option<String>,
    /// Arguments for the kernel, for the installer and the installed system, such as 'console=ttyS1,115200'
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) kernel_args: String,
    /// What an installed machine does: it restarts, or is switched off so that the medium can be pulled out first
    #[arg(long, value_name = "WORD", default_value = "reboot", conflicts_with = "image")]
    pub(crate) finish: Finish,
    /// The SHA-256 that the publisher of the image gives; else lxseed's own table or a SHA256SUMS beside it says it
    #[arg(long, value_name = "DIGEST", conflicts_with = "unpublished", value_parser = digest)]
    pub(crate) sha256: Option<String>,
    /// Take an image that nobody vouches for, such as a remix of your own
    #[arg(long)]
    pub(crate) unpublished: bool,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
}

/// A SHA-256 in hexadecimal.
fn digest(text: &str) -> Result<String, String> {
    lxseed::media::sums::sha256(text).ok_or_else(|| "a SHA-256 has 64 hexadecimal digits".to_owned())
}

/// What a machine does once it is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Finish {
    /// Restarts
    Reboot,
    /// Is switched off
    Poweroff,
}

/// How a disk is stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiskFormat {
    /// Byte by byte, to be written to a disk with dd
    Raw,
    /// QEMU's own
    Qcow2,
}

#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Folder of one host as build wrote it, such as out/lab/node1
    pub(crate) seed: Utf8PathBuf,
    /// File to write, mode 0600; only an earlier seed image is replaced
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Utf8PathBuf,
    /// File system of the image
    #[arg(long, value_enum, default_value = "iso")]
    pub(crate) format: ImageFormat,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ImageFormat {
    /// ISO 9660 with Joliet and Rock Ridge: virtual media, CDs, sticks
    Iso,
    /// FAT: a stick whose files can be changed
    Fat,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A seed image, an install medium, a cloud image, or the folder that build wrote
    pub(crate) file: Utf8PathBuf,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
}

/// Clusters whose machines are asked.
#[derive(Debug, Args)]
pub(crate) struct ClustersArgs {
    /// Folder with the profiles: a cluster.yaml each, hosts/ and disks/ beside it
    #[arg(default_value = "profiles")]
    pub(crate) site: Utf8PathBuf,
    /// Only this cluster
    #[arg(long, value_name = "CLUSTER")]
    pub(crate) only: Option<String>,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
}

/// A host whose cluster is asked.
#[derive(Debug, Args)]
pub(crate) struct HostArgs {
    /// The host, as CLUSTER/HOST, or as its name where one cluster alone has it
    pub(crate) host: String,
    /// Folder with the profiles: a cluster.yaml each, hosts/ and disks/ beside it
    #[arg(default_value = "profiles")]
    pub(crate) site: Utf8PathBuf,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) clusters: ClustersArgs,
    /// How to tell it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: StatusFormat,
    /// Look again every two seconds, and tell when something has changed
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) clusters: ClustersArgs,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RetireArgs {
    #[command(flatten)]
    pub(crate) host: HostArgs,
    /// Move its instances to the other members first
    #[arg(long, conflicts_with = "lost")]
    pub(crate) evacuate: bool,
    /// The machine is gone for good, and with it this many instances and volumes that are on record for it
    #[arg(long, value_name = "N")]
    pub(crate) lost: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    /// The channel of the lxd snap that the members shall follow, such as 5.21/stable
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) channel: Channel,
    #[command(flatten)]
    pub(crate) clusters: ClustersArgs,
    /// Move the instances of each member to the others first, as far as these can take them, and back at the end: they are stopped for
    /// that, which a refresh by itself does not do
    #[arg(long)]
    pub(crate) evacuate: bool,
}

/// Whose keys are replaced.
#[derive(Debug, Subcommand)]
pub(crate) enum RotateCommand {
    /// The desk's client certificate: raise `desk: {generation: N}` in cluster.yaml first
    Desk(RotateArgs),
    /// The cluster's own certificate and key, which every member shows: raise `generation: N` in cluster.yaml first. All members
    /// have to be there
    Cluster(RotateArgs),
    /// Client certificates that lxseed let in and that cluster.yaml does not declare any more, or under the name of which it has
    /// another one: put that there first
    Clients(ClustersArgs),
    /// A member's own pair and its SSH host key: raise `generation: N` on the host first. Its machine is reached over ssh, as the
    /// administrator of the profile with your own key; the other members have to be there
    Host(HostArgs),
    /// After the site secret has leaked: prints all steps with their commands. With --old-secret-file, gives the clusters and their
    /// members all their new keys
    All(RotateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    pub(crate) clusters: ClustersArgs,
    /// The site secret whose keys the machines still have, where the site has a new one
    #[arg(long, value_name = "FILE")]
    pub(crate) old_secret_file: Option<Utf8PathBuf>,
}

/// How the state of machines is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFormat {
    /// A table for a person
    Text,
    /// One object for programs
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Make a new secret; never overwrites one
    New {
        /// File to write [default: lxseed.secret here]
        #[arg(long, value_name = "FILE")]
        secret_file: Option<Utf8PathBuf>,
    },
    /// Print the fingerprint, which tells two secrets apart and nothing else about them
    Fingerprint {
        /// Folder with the profiles, above which the default file is looked for
        #[arg(default_value = "profiles")]
        site: Utf8PathBuf,
        #[command(flatten)]
        secret: SecretArgs,
    },
}

/// Where the site secret comes from. Without an option: the variable LXSEED_SECRET, else the file lxseed.secret above
/// the profiles.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    /// Read the site secret from this file (mode 0600) [default: $LXSEED_SECRET, else lxseed.secret above the profiles]
    #[arg(long, value_name = "FILE", conflicts_with = "secret_command")]
    pub(crate) secret_file: Option<Utf8PathBuf>,
    /// Read the site secret from what this shell command prints, such as 'pass show lab'
    #[arg(long, value_name = "COMMAND")]
    pub(crate) secret_command: Option<String>,
}

impl SecretArgs {
    /// Whether an option names a secret.
    pub(crate) fn is_given(&self) -> bool {
        self.secret_file.is_some() || self.secret_command.is_some()
    }
}
