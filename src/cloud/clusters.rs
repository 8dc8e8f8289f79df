//! Lists the clusters of a project: one signed GET for each of CCE's products.
//!
//! Decoded as leniently as the tasks (see [`super::wire`]), with one difference: a cluster without a usable id makes
//! the whole answer invalid, because a caller that compares the list with the watches would take that cluster for one
//! that is gone.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use reqwest::Method;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    client::Client,
    credentials::Credential,
    fault::{Fault, FaultKind},
    field::{object, text, time, word},
    http::{self, Body, Reply},
    refusal::{Asked, Call},
    request,
    target::{ClusterId, ClusterType, ProjectId, Region},
};

/// The most that is read of a list: hundreds of clusters take more than the one megabyte of other answers.
const MAX_BODY: usize = 64 * 1024 * 1024;
const MAX_NAME: usize = 256;
const MAX_WORD: usize = 64;

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

/// An answer that is no list of clusters. Messages hold nothing of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum ListError {
    #[error("the answer is no JSON object")]
    NotJson,
    #[error("the answer is an error in the shape of a success")]
    ErrorBody,
    #[error("the answer holds no list of clusters")]
    NoList,
    #[error("the answer lists a cluster without a usable id")]
    NoId,
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
    ) -> Result<Vec<Cluster>, Fault> {
        let api = match cluster_type {
            ClusterType::Standard => "api",
            ClusterType::Autopilot => "autopilot",
        };
        let (base, path) = (self.endpoints.cce(region), format!("/{api}/v3/projects/{project}/clusters"));
        let request = request::signed(
            &self.connections.client(),
            Method::GET,
            (&base, &path),
            project,
            credential,
            now,
        )?;
        let whom = self.endpoints.whom(region);
        let mut reply = http::exchange_within(request, &whom, MAX_BODY).await?;
        reply.redact(credential);
        clusters(&reply, cluster_type, &self.asked(Call::ListClusters, &base, now))
    }
}

fn clusters(reply: &Reply, cluster_type: ClusterType, asked: &Asked<'_>) -> Result<Vec<Cluster>, Fault> {
    let refused = || asked.refused(reply);
    let invalid = |what: &str| {
        let message = format!("{what} (HTTP 200): {}", asked.program.no_cce());
        Fault { message: Fault::new(FaultKind::InvalidResponse, message).message, ..refused() }
    };
    match &reply.body {
        _ if reply.status != 200 => Err(refused()),
        _ if reply.is_encoded() => Err(invalid("the answer is compressed, which nobody asked for")),
        Body::Whole(body) => decode(body, cluster_type).map_err(|error| match error {
            // The message of the fault table names the error code.
            ListError::ErrorBody => refused(),
            error => invalid(&error.to_string()),
        }),
        Body::TooLarge => Err(invalid("the answer is larger than 64 MiB")),
        Body::Broken(fault) => Err(fault.clone()),
    }
}

fn decode(body: &[u8], cluster_type: ClusterType) -> Result<Vec<Cluster>, ListError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| ListError::NotJson)?;
    if answer.is_error {
        return Err(ListError::ErrorBody);
    }
    let Items::Listed(clusters) = answer.items.ok_or(ListError::NoList)? else {
        return Err(ListError::NoList);
    };
    let of_type = |cluster: Cluster| Cluster {
        // The Standard API might list Autopilot clusters too, so the cluster's own field decides.
        cluster_type: if cluster_type == ClusterType::Autopilot {
            cluster_type
        } else {
            cluster.cluster_type
        },
        ..cluster
    };
    clusters.into_iter().map(|cluster| cluster.map(of_type).ok_or(ListError::NoId)).collect()
}

/// The answer, read cluster by cluster: as one tree of JSON values a large list would take many times its size.
#[derive(Default)]
struct Answer {
    items: Option<Items>,
    is_error: bool,
}

enum Items {
    /// The clusters, with `None` for an item without a usable id.
    Listed(Vec<Option<Cluster>>),
    /// Something that is no list.
    Other,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Answer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answer, A::Error> {
                let mut answer = Answer::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "items" => answer.items = Some(map.next_value()?),
                        "errorCode" | "error_code" => {
                            let code: Value = map.next_value()?;
                            answer.is_error |= code.as_str().is_some_and(|code| !code.is_empty());
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(answer)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Items;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of clusters")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Items, A::Error> {
                let mut clusters = Vec::new();
                while let Some(item) = items.next_element::<Value>()? {
                    clusters.push(item.as_object().and_then(cluster));
                }
                Ok(Items::Listed(clusters))
            }

            // Go prints an empty list as null.
            fn visit_unit<E>(self) -> Result<Items, E> {
                Ok(Items::Listed(Vec::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Items, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Items::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Items, E> {
                Ok(Items::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Items, E> {
                Ok(Items::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Items, E> {
                Ok(Items::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Items, E> {
                Ok(Items::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Items, E> {
                Ok(Items::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn cluster(item: &Map<String, Value>) -> Option<Cluster> {
    let metadata = object(item, "metadata")?;
    let (spec, status) = (object(item, "spec"), object(item, "status"));
    let is_autopilot = spec.and_then(|spec| spec.get("enableAutopilot")).and_then(Value::as_bool);
    Some(Cluster {
        uid: ClusterId::parse(text(metadata, "uid")?).ok()?,
        cluster_type: if is_autopilot == Some(true) { ClusterType::Autopilot } else { ClusterType::Standard },
        name: word(metadata, "name", MAX_NAME),
        alias: word(metadata, "alias", MAX_NAME),
        version: spec.and_then(|spec| word(spec, "version", MAX_WORD)),
        phase: status.and_then(|status| word(status, "phase", MAX_WORD)),
        tags: spec
            .and_then(|spec| spec.get("clusterTags")?.as_array())
            .map(|tags| self::tags(tags))
            .unwrap_or_default(),
        creation_time: time(metadata, "creationTimestamp"),
    })
}

/// Tags with a key; a value that is no string is empty.
fn tags(tags: &[Value]) -> BTreeMap<String, String> {
    let tag = |tag: &Value| {
        let tag = tag.as_object()?;
        Some((text(tag, "key")?.to_owned(), text(tag, "value").unwrap_or_default().to_owned()))
    };
    tags.iter().filter_map(tag).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ID: &str = "11111111-2222-3333-4444-555555555555";

    fn of(answer: &Value) -> Result<Vec<Cluster>, ListError> {
        decode(answer.to_string().as_bytes(), ClusterType::Standard)
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
            let clusters = decode(answer.to_string().as_bytes(), of_call).unwrap();
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
            assert_eq!(decode(body.as_bytes(), ClusterType::Standard), Err(ListError::NotJson), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_or_clusters(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body, ClusterType::Standard);
        }
    }
}
