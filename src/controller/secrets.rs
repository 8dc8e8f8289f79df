//! The Secrets that watches name, read with `get` alone and kept for a few minutes, so that a steady watch costs next to
//! nothing. A Secret is never listed or watched, and its values are wiped from what the API server sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Client, Resource, ResourceExt, api::GetParams, core::Request};
use zeroize::{Zeroize, Zeroizing};

use super::context::answer;

use crate::cloud::{
    credential::{Credential, CredentialId},
    fault::{Fault, FaultKind},
};

/// How long a Secret is kept.
pub const KEPT: Duration = Duration::from_mins(5);

/// A credential and what tells it from another.
pub type ResolvedCredential = (Arc<Credential>, CredentialId);

/// The Secrets read so far.
pub struct Secrets {
    client: Client,
    read: Mutex<HashMap<(String, String), Slot>>,
}

/// One Secret. The lock is held over the read, so that many watches of one Secret read it once.
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Result<ResolvedCredential, Fault>)>>>;

impl Secrets {
    /// Reads through `client`.
    pub fn new(client: Client) -> Self {
        Self { client, read: Mutex::default() }
    }

    /// The credential in a Secret, as it was at `not_before` or later.
    pub async fn get(
        &self,
        namespace: &str,
        name: &str,
        not_before: Instant,
    ) -> Result<Result<ResolvedCredential, Fault>, kube::Error> {
        let slot = self.slot(namespace, name);
        let mut slot = slot.lock().await;
        if let Some((read, known)) = slot.as_ref()
            && *read >= not_before
        {
            return Ok(known.clone());
        }
        let read = Instant::now();
        let known = self.read(namespace, name).await?;
        *slot = Some((read, known.clone()));
        Ok(known)
    }

    async fn read(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Result<ResolvedCredential, Fault>, kube::Error> {
        match get(&self.client, namespace, name).await {
            Ok(secret) => Ok(credential(secret)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Err(Fault::new(
                FaultKind::SecretNotFound,
                format!(
                    "there is no Secret {name} in this namespace: create it with the keys accessKey and secretKey"
                ),
            ))),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(Err(Fault::new(
                FaultKind::SecretNotFound,
                format!(
                    "the operator may not read the Secret {name}: allow its service account to get it \
                     (the chart's value rbac.secretNames limits what it may read)"
                ),
            ))),
            Err(error) => Err(error),
        }
    }

    fn slot(&self, namespace: &str, name: &str) -> Slot {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), name.to_owned());
        if !read.contains_key(&key) && read.len() == read.capacity() {
            // Before the map grows: what nobody has read for long belongs to deleted watches.
            read.retain(|_, slot| {
                Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|slot| is_kept(slot.as_ref()))
            });
        }
        read.entry(key).or_default().clone()
    }
}

/// Gets a Secret as [`kube::Api`] does, but for two things: what was received is wiped, and nothing of it is logged or
/// told where it is no Secret (kube's client logs the whole text then).
pub async fn get(client: &Client, namespace: &str, name: &str) -> Result<Secret, kube::Error> {
    let request = Request::new(Secret::url_path(&(), Some(namespace)))
        .get(name, &GetParams::default())
        .map_err(kube::Error::BuildRequest)?;
    let text = Zeroizing::new(answer(client.request_text(request)).await?);
    serde_json::from_str(&text)
        .map_err(|_| kube::Error::Service("the API server's answer is no Secret".into()))
}

fn is_kept<T>(slot: Option<&(Instant, T)>) -> bool {
    slot.is_some_and(|(read, _)| read.elapsed() < KEPT)
}

/// The credential that a Secret holds. Its identity changes with every change of the Secret, and with its re-creation.
pub fn credential(mut secret: Secret) -> Result<ResolvedCredential, Fault> {
    let identity = CredentialId(format!(
        "secret {} {}",
        secret.uid().unwrap_or_default(),
        secret.resource_version().unwrap_or_default()
    ));
    let name = secret.name_any();
    let mut values = secret.data.take().unwrap_or_default();
    let value = |key: &str| values.get(key).map(|ByteString(bytes)| bytes.trim_ascii()).unwrap_or_default();
    // Templates leave an optional value empty where they have none.
    let token = Some(value("securityToken")).filter(|token| !token.is_empty());
    let read = Credential::from_bytes(value("accessKey"), value("secretKey"), token);
    for ByteString(bytes) in values.values_mut() {
        bytes.zeroize();
    }
    match read {
        Ok(credential) => Ok((Arc::new(credential), identity)),
        Err(error) => {
            Err(Fault::new(FaultKind::SecretInvalid, format!("the Secret {name} cannot be used: {error}")))
        }
    }
}
