//! `cce-backup-watch discover`: the clusters of projects as ClusterBackupWatch manifests, for Git or `kubectl apply`.
//!
//! ```text
//! args → list      the clusters of each project, Standard and Autopilot    (cloud)
//!      → existing  the watches that there are already                      (files, as YAML, or Kubernetes)
//!      → filter    which clusters are wanted                               (pure)
//!      → name      a valid, unique and steady name for each                (pure)
//!      → manifest  or table                                                (pure)
//!      → check     whether each cluster answers to its watch's key         (cloud)
//!      → compare   what differs from what is watched                       (pure)
//! ```
//!
//! The command changes nothing: manifests go to standard output, and applying and deleting is left to others.

mod check;
mod compare;
mod existing;
mod files;
mod filter;
mod list;
mod listed;
mod manifest;
mod name;
mod table;
mod template;
mod yaml;

use std::collections::BTreeSet;
use std::time::Duration;

use self::{
    compare::{Scope, by_cluster, findings, in_part},
    existing::Watch,
    list::{Listed, list},
    listed::ListedCluster,
    manifest::Common,
    template::Template,
};
use crate::cli::discover::{DiscoverArgs, DiscoverOutput};
use crate::cloud::target::ProjectId;
use crate::commands::{
    error::{BAD, Error},
    moment::Now,
    output::{self, note},
};
use crate::kubernetes::{self, AccessError};

/// How long the table waits for the cluster of the current kubeconfig, without which two of its columns are empty.
const AT_HAND: Duration = Duration::from_secs(10);

/// What is said before manifests without a Secret are printed: `kubectl apply` takes them without a word, and the watches are blind.
const NO_KEY: &str = "these watches name no Secret, so they poll with the operator's own identity, which serves no namespace unless \
                      --operator-credentials-namespace of the operator names it. If it does not, they stay blind (CredentialsNotAllowed): \
                      add --secret-name NAME and --namespace NAMESPACE, where that Secret is";

/// Runs the command, and returns its exit code.
pub async fn run(args: &DiscoverArgs) -> Result<u8, Error> {
    is_as_it_should_be(args).await.map(|is| if is { 0 } else { BAD })
}

/// False means that `--existing` found something to do, or `--check` a watch that would be blind.
async fn is_as_it_should_be(args: &DiscoverArgs) -> Result<bool, Error> {
    let projects = args.projects()?;
    let common = Common {
        template: args.template.as_deref().map(Template::read).transpose()?.unwrap_or_default(),
        namespace: args.namespace.clone(),
        secret_name: args.secret_name.clone(),
        region: args.region.to_string(),
    };
    let secret = if args.check { Some(common.secret().await?) } else { None };
    let Listed { found: listed, left_out } = list(args, &projects).await?;
    let watches = match &args.existing {
        Some(existing) => Some(existing::read(existing).await?),
        None if args.output == DiscoverOutput::Table => at_hand().await,
        None => None,
    };
    let names = name::names(&listed, &taken(watches.as_deref(), &common));
    let by_name = |found: &&ListedCluster| names.get(&found.cluster.uid).cloned();
    let mut wanted: Vec<_> = listed.iter().filter(|found| filter::is_wanted(args, found)).collect();
    wanted.sort_by_key(by_name);
    if wanted.is_empty() && !listed.is_empty() {
        // A mistyped filter must not pass as a check that found nothing to do.
        if args.existing.is_some() && !args.allow_empty {
            return Err(Error::NoMatch(listed.len()));
        }
        note(format_args!("none of the {} clusters matches the filters", listed.len()));
    }

    let by_cluster = watches.as_deref().map(by_cluster);
    let is_watched = |found: &ListedCluster| {
        by_cluster.as_ref().is_some_and(|watches| watches.contains_key(found.cluster.uid.as_str()))
    };
    // Without `--existing` the watches only fill columns of the table, and no cluster is left out as watched already.
    let compares = args.existing.is_some();
    let missing: Vec<_> = wanted.iter().copied().filter(|found| !(compares && is_watched(found))).collect();
    let text = if args.output == DiscoverOutput::Table {
        if wanted.is_empty() {
            String::new()
        } else {
            table::table(&wanted, by_cluster.as_ref(), &Now::of_machine())
        }
    } else {
        let manifests = missing
            .iter()
            .filter_map(|found| names.get(&found.cluster.uid).map(|name| common.manifest(name, found)));
        manifest::text(&manifests.collect::<Vec<_>>(), args.output)?
    };
    if !text.is_empty() && args.output != DiscoverOutput::Table && !common.names_a_key() {
        note(NO_KEY);
    }
    output::result(&text)?;
    let all_answer = match secret {
        Some(secret) => {
            let name_of = |found: &&ListedCluster| {
                names.get(&found.cluster.uid).map(String::as_str).unwrap_or_default()
            };
            let to_try: Vec<_> = missing.iter().map(|found| (name_of(found), *found)).collect();
            check::all_answer(args, secret, &to_try).await?
        }
        None => true,
    };
    if !compares {
        return Ok(all_answer);
    }
    let scope = Scope {
        region: args.region.as_str(),
        projects: projects.iter().map(ProjectId::as_str).collect(),
        cluster_type: args.cluster_type.map(|cluster_type| format!("{cluster_type:?}")),
        left_out: &left_out,
    };
    let findings = findings(&listed, watches.as_deref().unwrap_or_default(), &scope);
    let parts = by_cluster.as_ref().map(|watches| in_part(&wanted, watches, common.namespace()));
    for line in findings.iter().chain(parts.iter().flatten()) {
        note(line);
    }
    if !missing.is_empty() {
        note(format_args!("{} of {} clusters are not watched", missing.len(), wanted.len()));
    }
    Ok(missing.is_empty() && findings.is_empty() && all_answer)
}

/// The watches in the cluster of the current kubeconfig, if there is one and it answers.
async fn at_hand() -> Option<Vec<Watch>> {
    let client = match kubernetes::client().await {
        Ok(client) => client,
        // Nobody promised a cluster.
        Err(AccessError::Nowhere(_)) => return None,
        Err(error) => {
            note(format_args!("{error}; the table does not say what is watched"));
            return None;
        }
    };
    match tokio::time::timeout(AT_HAND, existing::from_cluster(&client)).await {
        Ok(Ok(watches)) => Some(watches),
        Ok(Err(error)) => {
            note(format_args!("{error}; the table does not say what is watched"));
            None
        }
        Err(_) => {
            note(
                "the cluster of the current kubeconfig does not answer; the table does not say what is watched",
            );
            None
        }
    }
}

/// The names that new watches must not take: those of watches that may be in the same namespace.
fn taken(watches: Option<&[Watch]>, common: &Common) -> BTreeSet<String> {
    let may_meet = |watch: &&Watch| match (&watch.namespace, common.namespace()) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    };
    watches.unwrap_or_default().iter().filter(may_meet).map(|watch| watch.name.clone()).collect()
}
