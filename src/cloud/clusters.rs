//! Lists the clusters of a project: one signed GET for each of CCE's products.
//!
//! Decoded as leniently as the tasks (see [`super::wire`]), cluster by cluster, with two differences. A cluster without a
//! usable id makes the whole answer invalid, because a caller that compares the list with the watches would take that
//! cluster for one that is gone. A cluster of more than a megabyte is left out by name, so that the caller can say so.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use reqwest::Method;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::{
    bound::bound,
    client::Client,
    credentials::Credential,
    fault::{Fault, FaultKind},
    field::{Allowance, Fields, Is, IsTrue, Lenient, Read, Time, Word, push, reader},
    http::{self, Body, Reply},
    refusal::{self, Call},
    request,
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

/// An answer that is no list of clusters. Messages hold nothing of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Not JSON, nested too deeply, or no object.
    #[error("the answer is no JSON object")]
    NotJson,
    /// An error code where there should be clusters.
    #[error("the answer is an error in the shape of a success")]
    ErrorBody,
    /// `items` neither an array nor null.
    #[error("the answer holds no list of clusters")]
    NoList,
    /// A cluster that a watch could not name.
    #[error("the answer lists a cluster without a usable id")]
    NoId,
    /// More clusters or tags than any list of its size has: each of them is next to empty.
    #[error("the answer lists too many empty clusters")]
    TooMany,
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
        let (base, path) = (self.endpoints.cce(region), format!("/{api}/v3/projects/{project}/clusters"));
        let request = request::signed(&self.http, Method::GET, (&base, &path), project, credential, now)?;
        let whom = format!("the endpoint of region {region}");
        let mut reply = http::exchange(request, &whom, MAX_BODY).await?;
        reply.redact(credential);
        clusters(&mut reply, cluster_type, now)
    }
}

fn clusters(reply: &mut Reply, cluster_type: ClusterType, now: Timestamp) -> Result<Clusters, Fault> {
    let decoded = match &mut reply.body {
        Body::Whole(body) if reply.status == 200 => Some(decode(body, cluster_type)),
        _ => None,
    };
    let refused = || refusal::fault_of(Call::ListClusters, reply.status, &reply.headers, reply.prefix(), now);
    let invalid = |what: &str| {
        let message =
            format!("{what} (HTTP 200): check that region and --region-endpoint lead to the CCE API");
        Fault { message: Fault::new(FaultKind::InvalidResponse, message).message, ..refused() }
    };
    match (&reply.body, decoded) {
        _ if reply.status != 200 => Err(refused()),
        _ if reply.is_encoded() => Err(invalid("the answer is compressed, which nobody asked for")),
        (Body::Broken(fault), _) => Err(fault.clone()),
        (_, Some(decoded)) => decoded.map_err(|error| match error {
            // The message of the fault table names the error code.
            ListError::ErrorBody => refused(),
            error => invalid(&error.to_string()),
        }),
        (_, None) => Err(invalid("the answer is larger than 64 MiB")),
    }
}

/// Decodes the body of a 200. With the body itself this takes at most four times its size, whatever it holds.
pub fn decode(body: &mut [u8], cluster_type: ClusterType) -> Result<Clusters, ListError> {
    // What is skipped is not checked by the decoder.
    if std::str::from_utf8(body).is_err() || bound(body).is_err() {
        return Err(ListError::NotJson);
    }
    let allowance = Allowance::of(body.len());
    let at = Cell::new(0);
    let mut json = serde_json::Deserializer::from_reader(Counted { rest: body, at: &at });
    let reader = Read(ListReader { allowance: &allowance, at: &at, cluster_type });
    let list = reader
        .deserialize(&mut json)
        .and_then(|list| json.end().map(|()| list))
        .map_err(|_| if allowance.is_used_up() { ListError::TooMany } else { ListError::NotJson })?;
    let list = list.ok_or(ListError::NotJson)?;
    if list.is_error {
        return Err(ListError::ErrorBody);
    }
    let items = list.items.flatten().ok_or(ListError::NoList)?;
    if items.is_without_id { Err(ListError::NoId) } else { Ok(items.clusters) }
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

/// What is read of an answer.
#[derive(Default)]
struct List {
    is_error: bool,
    /// Absent, something else than a list, or a list.
    items: Option<Option<Items>>,
}

#[derive(Default)]
struct Items {
    clusters: Clusters,
    is_without_id: bool,
}

#[derive(Clone, Copy)]
struct ListReader<'a> {
    allowance: &'a Allowance,
    at: &'a Cell<usize>,
    cluster_type: ClusterType,
}

impl<'de> Lenient<'de> for ListReader<'_> {
    type Out = Option<List>;

    fn object<A: MapAccess<'de>>(self, mut object: Fields<A>) -> Result<Option<List>, A::Error> {
        let mut list = List::default();
        while let Some(key) = object.key()? {
            match key.as_str() {
                "errorCode" | "error_code" => list.is_error |= object.read(Is(|code| !code.is_empty()))?,
                "items" => list.items = Some(object.read(ItemsReader(self))?),
                _ => object.skip()?,
            }
        }
        Ok(Some(list))
    }
}

struct ItemsReader<'a>(ListReader<'a>);

impl<'de> Lenient<'de> for ItemsReader<'_> {
    type Out = Option<Items>;

    // Go prints an empty list as null.
    fn null(self) -> Option<Items> {
        Some(Items::default())
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<Items>, A::Error> {
        let ListReader { allowance, at, cluster_type } = self.0;
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
                push(&mut items.clusters.left_out, LeftOut { uid: cluster.uid, name: cluster.name });
            } else {
                push(&mut items.clusters.clusters, cluster);
            }
        }
        Ok(Some(items))
    }
}

/// What a cluster takes in memory. The entries of a map stand in nodes that may be half empty.
fn size(cluster: &Cluster) -> usize {
    let words = [&cluster.name, &cluster.alias, &cluster.version, &cluster.phase];
    let tag = |(key, value): (&String, &String)| {
        3 * size_of::<(String, String)>() + Allowance::string(Some(key)) + Allowance::string(Some(value))
    };
    size_of::<Cluster>()
        + cluster.uid.as_str().len()
        + words.iter().map(|word| Allowance::string(word.as_ref())).sum::<usize>()
        + cluster.tags.iter().map(tag).sum::<usize>()
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
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "11111111-2222-3333-4444-555555555555";

    fn of(answer: &Value) -> Result<Vec<Cluster>, ListError> {
        from(answer.to_string(), ClusterType::Standard)
    }

    fn from(body: impl Into<Vec<u8>>, cluster_type: ClusterType) -> Result<Vec<Cluster>, ListError> {
        decode(&mut body.into(), cluster_type).map(|list| list.clusters)
    }

    fn bare() -> Cluster {
        Cluster {
            uid: ClusterId::parse(ID).unwrap(),
            cluster_type: ClusterType::Standard,
            name: None,
            alias: None,
            version: None,
            phase: None,
            tags: BTreeMap::new(),
            creation_time: None,
        }
    }

    #[test]
    fn a_cluster_is_read_as_the_api_page_has_it() {
        let answer = json!({"kind": "Cluster", "apiVersion": "v3", "items": [{
            "kind": "Cluster", "apiVersion": "v3",
            "metadata": {"name": "prod", "uid": ID.to_uppercase(), "alias": "生产\n1", "labels": {"a": "b"},
                         "creationTimestamp": "2023-11-25 17:03:46 +0800 CST"},
            "spec": {"type": "VirtualMachine", "version": "v1.30", "clusterTags": [
                {"key": "team", "value": "a"}, {"key": "empty"}, {"value": "no key"}, 7]},
            "status": {"phase": "Available"},
        }]});
        let tags = [("team", "a"), ("empty", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let expected = Cluster {
            name: Some("prod".to_owned()),
            alias: Some("生产 1".to_owned()),
            version: Some("v1.30".to_owned()),
            phase: Some("Available".to_owned()),
            tags: tags.into(),
            creation_time: "2023-11-25T09:03:46Z".parse().ok(),
            ..bare()
        };
        assert_eq!(of(&answer), Ok(vec![expected]));
    }

    #[test]
    fn fields_of_another_type_are_absent() {
        let answer = json!({"items": [{"metadata": {"uid": ID, "name": 7, "alias": []}, "spec": {
            "version": 1.3, "clusterTags": {}, "enableAutopilot": "yes"}, "status": "up"}]});
        assert_eq!(of(&answer), Ok(vec![bare()]));
    }

    #[test]
    fn the_product_is_that_of_the_call_or_what_the_cluster_says() {
        let answer = json!({"items": [
            {"metadata": {"uid": ID}}, {"metadata": {"uid": ID}, "spec": {"enableAutopilot": true}}]});
        let types = |of_call| {
            let clusters = from(answer.to_string(), of_call).unwrap();
            clusters.iter().map(|cluster| cluster.cluster_type).collect::<Vec<_>>()
        };
        assert_eq!(types(ClusterType::Standard), [ClusterType::Standard, ClusterType::Autopilot]);
        assert_eq!(types(ClusterType::Autopilot), [ClusterType::Autopilot; 2]);
    }

    #[test]
    fn what_is_no_list_never_looks_like_an_empty_one() {
        for answer in [json!({"items": []}), json!({"items": null}), json!({"kind": "Cluster", "items": []})]
        {
            assert_eq!(of(&answer), Ok(vec![]), "{answer}");
        }
        for (answer, error) in [
            (json!([]), ListError::NotJson),
            (json!(null), ListError::NotJson),
            (json!({}), ListError::NoList),
            (json!({"kind": "List"}), ListError::NoList),
            (json!({"items": {"a": [1]}}), ListError::NoList),
            (json!({"items": "none"}), ListError::NoList),
            (json!({"items": 0}), ListError::NoList),
            (json!({"items": -1}), ListError::NoList),
            (json!({"items": 0.5}), ListError::NoList),
            (json!({"items": false}), ListError::NoList),
            (json!({"items": [], "errorCode": "CCE.1"}), ListError::ErrorBody),
            (json!({"error_code": "APIGW.1", "items": null}), ListError::ErrorBody),
            (json!({"items": [7]}), ListError::NoId),
            (json!({"items": [{"metadata": {"uid": "x"}}]}), ListError::NoId),
            (json!({"items": [{"metadata": {"uid": ID}}, {"metadata": {"name": "n"}}]}), ListError::NoId),
        ] {
            assert_eq!(of(&answer), Err(error), "{answer}");
        }
        for body in ["", "<html>", "{\"items\":[", "\u{0}"] {
            assert_eq!(from(body, ClusterType::Standard), Err(ListError::NotJson), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_or_clusters(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = from(body, ClusterType::Standard);
        }
    }
}
