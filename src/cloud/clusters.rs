//! Lists the clusters of a project: one signed GET for each of CCE's products.
//!
//! Decoded as leniently as the tasks (see [`super::list`]), cluster by cluster, with two differences. A cluster without a
//! usable id makes the whole answer invalid, because a caller that compares the list with the watches would take that
//! cluster for one that is gone. A cluster of more than a megabyte is left out by name, so that the caller can say so.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use serde::de::SeqAccess;

use super::{
    client::{Ask, Client},
    credentials::Credential,
    fault::Fault,
    field::{IsTrue, Lenient, Read, Time, Word, reader},
    list::{self, ListError},
    newest::{Allowance, heap_of, push},
    refusal::Call,
    target::{ClusterId, ClusterType, ProjectId, Region},
};

/// The most that is read of a list: hundreds of clusters take more than the one megabyte of other answers.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// The longest cluster that is read: some have thousands of characters of annotations, and none has more.
const MAX_CLUSTER: usize = 1024 * 1024;
const MAX_UID: usize = 128;
const MAX_NAME: usize = 256;
const MAX_WORD: usize = 64;
/// The most tags that are taken from one cluster: more than ten times what the cloud allows.
const MAX_TAGS: usize = 256;

/// One cluster as the API reported it. Every field but the id and the product may be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its id.
    pub uid: ClusterId,
    /// Which of CCE's products it is.
    pub cluster_type: ClusterType,
    /// Its name; cleaned, at most 256 characters.
    pub name: Option<String>,
    /// Its display name; cleaned, at most 256 characters.
    pub alias: Option<String>,
    /// Such as `v1.30`; cleaned, at most 64 characters.
    pub version: Option<String>,
    /// Such as `Available`; cleaned, at most 64 characters.
    pub phase: Option<String>,
    /// The users' tags, as they are.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub creation_time: Option<Timestamp>,
}

/// The clusters of a project, of one product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    /// Those that were read.
    pub clusters: Vec<Cluster>,
    /// Those that are longer than a megabyte in the answer: nothing else is known of them.
    pub left_out: Vec<LeftOut>,
}

/// A cluster that is there and is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its id.
    pub uid: ClusterId,
    /// Its name; cleaned, at most 256 characters.
    pub name: Option<String>,
}

impl Client {
    /// The clusters of a project, of one product. `now` dates the signature.
    pub async fn list_clusters(
        &self,
        region: &Region,
        project: &ProjectId,
        cluster_type: ClusterType,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Clusters, Fault> {
        let api = match cluster_type {
            ClusterType::Standard => "api",
            ClusterType::Autopilot => "autopilot",
        };
        let path = format!("/{api}/v3/projects/{project}/clusters");
        let call = Call::ListClusters;
        let ask = Ask { call, cluster_type, region, project, path, cluster: None, max: MAX_BODY };
        let reply = self.get(&ask, credential, now).await;
        self.decode(&ask, reply, now, |body| decode(body, cluster_type)).await
    }
}

/// Decodes the body of a 200. With the body itself this takes at most four times its size, whatever it holds.
pub fn decode(body: &mut [u8], cluster_type: ClusterType) -> Result<Clusters, ListError> {
    list::bounded(body)?;
    let allowance = Allowance::of(body.len());
    let at = Cell::new(0);
    let json = serde_json::Deserializer::from_reader(Counted { rest: body, at: &at });
    let items = ItemsReader { allowance: &allowance, at: &at, cluster_type };
    match list::decode_from(json, items) {
        Err(_) if allowance.is_used_up() => Err(ListError::TooMany),
        Ok(list) if list.items.is_without_id => Err(ListError::NoId),
        list => list.map(|list| list.items.clusters),
    }
}

/// A body, and how much of it the decoder has read: the only way to learn how long a cluster is without a copy of it.
struct Counted<'a> {
    rest: &'a [u8],
    at: &'a Cell<usize>,
}

impl io::Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(buffer)?;
        self.at.set(self.at.get() + read);
        Ok(read)
    }
}

#[derive(Default)]
struct Items {
    clusters: Clusters,
    is_without_id: bool,
}

struct ItemsReader<'a> {
    allowance: &'a Allowance,
    at: &'a Cell<usize>,
    cluster_type: ClusterType,
}

impl<'de> Lenient<'de> for ItemsReader<'_> {
    type Out = Option<Items>;

    // Go prints an empty list as null.
    fn null(self) -> Option<Items> {
        Some(Items::default())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<Items>, A::Error> {
        let Self { allowance, at, cluster_type } = self;
        let mut items = Items::default();
        let mut begin = at.get();
        while let Some(entry) = list.next_element_seed(Read(EntryReader))? {
            let length = at.get() - begin;
            begin = at.get();
            let Some(cluster) = entry.unwrap_or_default().cluster(cluster_type) else {
                items.is_without_id = true;
                continue;
            };
            allowance.take(size(&cluster))?;
            if length > MAX_CLUSTER {
                let left_out = LeftOut { uid: cluster.uid, name: cluster.name };
                push(&mut items.clusters.left_out, left_out, allowance.all());
            } else {
                push(&mut items.clusters.clusters, cluster, allowance.all());
            }
        }
        Ok(Some(items))
    }
}

/// What a cluster takes in memory. The entries of a map stand in nodes that may be half empty.
fn size(cluster: &Cluster) -> usize {
    let Cluster { name, alias, version, phase, tags, .. } = cluster;
    let tag = |(key, value): (&String, &String)| {
        3 * size_of::<(String, String)>() + key.capacity() + value.capacity() + 32
    };
    let tags = tags.iter().map(tag).sum::<usize>();
    size_of::<Cluster>() + cluster.uid.as_str().len() + heap_of(&[name, alias, version, phase]) + tags
}

#[derive(Default)]
struct Entry {
    metadata: Option<Metadata>,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Default)]
struct Metadata {
    uid: Option<String>,
    name: Option<String>,
    alias: Option<String>,
    creation_time: Option<Timestamp>,
}

#[derive(Default)]
struct Spec {
    version: Option<String>,
    is_autopilot: bool,
    tags: BTreeMap<String, String>,
}

#[derive(Default)]
struct Status {
    phase: Option<String>,
}

impl Entry {
    /// The cluster, where there is a usable id. The Standard API might list Autopilot clusters too, so the cluster's own
    /// field decides there.
    fn cluster(self, cluster_type: ClusterType) -> Option<Cluster> {
        let (metadata, spec) = (self.metadata?, self.spec.unwrap_or_default());
        Some(Cluster {
            uid: ClusterId::parse(&metadata.uid?).ok()?,
            cluster_type: if spec.is_autopilot { ClusterType::Autopilot } else { cluster_type },
            name: metadata.name,
            alias: metadata.alias,
            version: spec.version,
            phase: self.status.unwrap_or_default().phase,
            tags: spec.tags,
            creation_time: metadata.creation_time,
        })
    }
}

reader! {
    EntryReader makes Entry {
        "metadata" => metadata: MetadataReader,
        "spec" => spec: SpecReader,
        "status" => status: StatusReader,
    }
}

reader! {
    MetadataReader makes Metadata {
        "uid" => uid: Word(MAX_UID),
        "name" => name: Word(MAX_NAME),
        "alias" => alias: Word(MAX_NAME),
        "creationTimestamp" => creation_time: Time("creationTimestamp"),
    }
}

reader! {
    SpecReader makes Spec {
        "version" => version: Word(MAX_WORD),
        "enableAutopilot" => is_autopilot: IsTrue,
        "clusterTags" => tags: TagsReader,
    }
}

reader! {
    StatusReader makes Status {
        "phase" => phase: Word(MAX_WORD),
    }
}

/// Tags with a key; a value that is no string is empty. At most [`MAX_TAGS`].
struct TagsReader;

impl<'de> Lenient<'de> for TagsReader {
    type Out = BTreeMap<String, String>;

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Out, A::Error> {
        let mut tags = BTreeMap::new();
        while let Some(tag) = list.next_element_seed(Read(TagReader))? {
            if let Some(Tag { key: Some(key), value }) = tag
                && tags.len() < MAX_TAGS
            {
                tags.insert(key, value.unwrap_or_default());
            }
        }
        Ok(tags)
    }
}

#[derive(Default)]
struct Tag {
    key: Option<String>,
    value: Option<String>,
}

reader! {
    TagReader makes Tag {
        "key" => key: Text,
        "value" => value: Text,
    }
}

/// A string that is not empty, as it is.
struct Text;

impl Lenient<'_> for Text {
    type Out = Option<String>;

    fn text(self, text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests;
