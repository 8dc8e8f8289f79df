//! The flags of `cce-backup-watch discover`, each parsed once into what it means.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::{
    CloudArgs, CredentialArgs, LogArgs, UsageError,
    cluster::sdk_project,
    value::{namespace, object_name},
};
use crate::cloud::target::{ClusterType, ProjectId, Region};

// In ASCII and in short lines, because it is part of the man page too.
const HELP: &str = "\
Exit codes:
    0  asked and answered; with --existing: nothing to do
    1  with --existing: something is missing, differs, or is no longer there; with --check: a watch would be blind
    2  the flags or the template cannot be used
    3  the cloud or Kubernetes gave no whole answer, the manifests cannot be read, or, with --existing and without
       --allow-empty, a project lists no clusters or the filters match none

A watch is named after its cluster. What is no valid name is made one, and of several clusters with one name all but the \
oldest get the beginning of their UUID at the end. The same clusters always give the same bytes.

With --existing a cluster counts as watched when any watch names its clusterID, in whatever namespace. One that is \
suspended, is being deleted, or is in another namespace than --namespace counts too, and is named on standard error; one of \
another region, project or product differs. Of a directory, files that end in .yaml, .yml or .json are read, but none whose \
name begins with a dot and none that is no regular file; what is left out is named.

Nothing is ever deleted: a watch whose cluster is no longer listed is named on standard error. The filters decide what \
is printed; a cluster that they leave out still counts as there.

Results go to standard output, everything else to standard error.

Examples:
  export HUAWEICLOUD_SDK_AK=... HUAWEICLOUD_SDK_SK=... CBW_REGION=cn-north-4 \\
    CBW_PROJECT_ID=0123456789abcdef0123456789abcdef
  cce-backup-watch discover --output table
  cce-backup-watch discover --namespace platform --secret-name huawei | kubectl apply -f -
  cce-backup-watch discover --namespace platform --secret-name huawei --check --output table
  cce-backup-watch discover --template common.yaml --tag env=prod > watches.yaml
  cce-backup-watch discover --existing clusters/        # a check in CI";

/// The clusters of projects, as watches.
#[derive(Debug, Args)]
#[command(after_long_help = HELP, after_help = "Exit codes and examples: --help")]
pub struct DiscoverArgs {
    /// The region of the clusters, such as cn-north-4.
    #[arg(long, env = "CBW_REGION")]
    pub region: Region,

    /// A project whose clusters to list: 32 lower-case hex digits; may be given more than once. Also from
    /// `HUAWEICLOUD_SDK_PROJECT_ID`.
    #[arg(long, env = "CBW_PROJECT_ID", value_delimiter = ',')]
    pub project_id: Vec<ProjectId>,

    /// List only clusters of this product. Both when absent.
    #[arg(long, env = "CBW_CLUSTER_TYPE", value_enum, ignore_case = true)]
    pub cluster_type: Option<ClusterType>,

    /// Only clusters with this tag; may be given more than once, and all must hold.
    #[arg(long, env = "CBW_TAG", value_name = "KEY=VALUE", value_delimiter = ',')]
    pub tag: Vec<Tag>,

    /// Only clusters whose name matches: `*` stands for any text, `?` for one character.
    #[arg(long, env = "CBW_NAME", value_name = "GLOB", value_parser = not_empty)]
    pub name: Option<String>,

    /// Only clusters in this phase, such as Available; may be given more than once, and one must hold.
    #[arg(long, env = "CBW_PHASE", value_delimiter = ',', value_parser = not_empty)]
    pub phase: Vec<String>,

    /// The namespace of the watches. Without it they have none, and kubectl puts them into its own.
    #[arg(long, env = "CBW_NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,

    /// The Secret that the watches name. Without it they use the operator's own identity, or what the template says.
    #[arg(long, env = "CBW_SECRET_NAME", value_name = "NAME", value_parser = object_name)]
    pub secret_name: Option<String>,

    /// A ClusterBackupWatch (YAML or JSON) whose labels, annotations and spec every watch gets.
    #[arg(long, env = "CBW_TEMPLATE", value_name = "FILE")]
    pub template: Option<PathBuf>,

    /// Print only what is missing from these watches: the manifests in a file or below a directory, in what is read from
    /// standard input (`-`), or what the cluster of the current kubeconfig holds (`cluster`).
    #[arg(long, env = "CBW_EXISTING", value_name = "FILE|DIR|-|cluster")]
    pub existing: Option<Existing>,

    /// With --existing: a project without any cluster is no error, nor are filters that no cluster matches.
    #[arg(long, env = "CBW_ALLOW_EMPTY", requires = "existing")]
    pub allow_empty: bool,

    /// Try each cluster that is printed with the key that its watch will use, which is read from the Secret with the current
    /// kubeconfig, and name those that do not answer.
    #[arg(long, env = "CBW_CHECK")]
    pub check: bool,

    /// How the result looks: manifests, or a table for people.
    #[arg(short, long, env = "CBW_OUTPUT", value_enum, default_value_t)]
    pub output: DiscoverOutput,

    /// Where the access key comes from.
    #[command(flatten)]
    pub credential: CredentialArgs,

    /// How the cloud is reached.
    #[command(flatten)]
    pub cloud: CloudArgs,

    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
}

impl DiscoverArgs {
    /// The projects to list, each once and sorted.
    pub fn projects(&self) -> Result<Vec<ProjectId>, UsageError> {
        let mut projects = self.project_id.clone();
        if projects.is_empty() {
            projects.push(sdk_project()?);
        }
        projects.sort();
        projects.dedup();
        Ok(projects)
    }
}

/// How the result of `discover` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DiscoverOutput {
    /// Manifests, one document each.
    #[default]
    Yaml,
    /// Manifests in one List.
    Json,
    /// For people.
    Table,
}

/// The watches that there are already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Manifests in a file, or in the files below a directory.
    Path(PathBuf),
    /// Manifests on standard input.
    Stdin,
    /// What the cluster of the current kubeconfig holds.
    Cluster,
}

impl FromStr for Existing {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "-" => Self::Stdin,
            "cluster" => Self::Cluster,
            path => Self::Path(path.into()),
        })
    }
}

/// One tag that a cluster must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value, which may be empty.
    pub value: String,
}

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(Self { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err("write it as KEY=VALUE, such as env=prod".to_owned()),
        }
    }
}

/// A filter. An empty one would match no cluster, and comes from a variable that is not defined.
fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}
