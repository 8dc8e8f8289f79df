//! The operator's identity in each region. An identity token is exchanged at the IAM of the region that a watch names,
//! as in Huawei's SDK: a private cloud or a separate partition, such as eu-west-101, accepts no other one, and the
//! token of one must not be sent to another. Every other source gives the same credential in all regions.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use super::{OperatorIdentity, SourceConfig};
use crate::cloud::{credentials::CredentialId, http::HttpError, region::Endpoints, target::Region};

/// The operator's identities, one for each IAM.
#[derive(Debug)]
pub struct OperatorIdentities {
    /// For regions without an IAM of their own, and for all regions if the credential does not come from IAM.
    global: Arc<OperatorIdentity>,
    endpoints: Endpoints,
    /// By the base URL of IAM. Those come from a fixed list and from flags, so there are never many.
    regional: Mutex<BTreeMap<String, Arc<OperatorIdentity>>>,
}

impl OperatorIdentities {
    /// Needs a rustls crypto provider installed in the process. Sends no request yet.
    pub fn new(config: SourceConfig, endpoints: Endpoints) -> Result<Self, HttpError> {
        let global = Arc::new(OperatorIdentity::new(config)?);
        Ok(Self { global, endpoints, regional: Mutex::default() })
    }

    /// The identity for watches of a region.
    pub fn of(&self, region: &Region) -> Arc<OperatorIdentity> {
        let iam = self.endpoints.iam(region);
        if iam == self.global.iam || !self.global.depends_on_iam() {
            return self.global.clone();
        }
        let mut regional = self.regional.lock().unwrap_or_else(PoisonError::into_inner);
        regional.entry(iam).or_insert_with_key(|iam| Arc::new(self.global.at(iam))).clone()
    }

    /// Call this when the cloud refused a credential, whichever identity handed it out.
    pub fn refused(&self, credential: &CredentialId, now: Timestamp) {
        self.global.refused(credential, now);
        for identity in self.regional.lock().unwrap_or_else(PoisonError::into_inner).values() {
            identity.refused(credential, now);
        }
    }
}
