//! One poll: gets the credential, asks for the tasks of the cluster, and returns a report. Repeating it is left to
//! [`super::follow`].

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    credentials::Credentials,
    report::{Builder, Report},
};
use crate::cli::{CloudArgs, CredentialArgs};
use crate::cloud::{
    client::{Client, ClientConfig},
    credentials::Credential,
    other_type::OtherTypes,
    region::Endpoints,
    tap::Tap,
    target::Target,
};
use crate::commands::error::{Error, PollError};

/// Polls one cluster.
pub struct Poll {
    client: Client,
    target: Target,
    credentials: Credentials,
    reports: Builder,
    types: OtherTypes,
}

impl Poll {
    /// Sets up the client and the credential's source; sends no request yet.
    pub async fn new(target: Target, credential: &CredentialArgs, cloud: &CloudArgs) -> Result<Self, Error> {
        Self::tapped(target, credential, cloud, None).await
    }

    /// The same; somebody looks at each answer.
    pub async fn tapped(
        target: Target,
        credential: &CredentialArgs,
        cloud: &CloudArgs,
        tap: Option<Tap>,
    ) -> Result<Self, Error> {
        let config = ClientConfig { tap, ..client_config(cloud)? };
        let credentials = Credentials::new(credential, &target.region, &config).await?;
        Ok(Self {
            client: Client::new(config)?,
            credentials,
            reports: Builder::new(&target),
            target,
            types: OtherTypes::default(),
        })
    }

    /// The client, the cluster and the credential as of now, for another call.
    pub async fn ready(&mut self) -> Result<(&Client, &Target, Arc<Credential>), PollError> {
        let credential = self.credentials.get().await?;
        Ok((&self.client, &self.target, credential))
    }

    /// Polls once.
    pub async fn once(&mut self) -> Result<Report, PollError> {
        let (client, target, credential) = self.ready().await?;
        let now = Timestamp::now();
        match client.list_tasks(target, &credential, now).await {
            Ok(answer) => Ok(self.reports.report(&answer, now)),
            Err(fault) => {
                Err(self.types.explain(&self.client, &self.target, &credential, now, fault).await.into())
            }
        }
    }
}

/// The configuration of the cloud client that the flags give. Reads the file of `--ca-file`.
pub fn client_config(cloud: &CloudArgs) -> Result<ClientConfig, Error> {
    Ok(ClientConfig {
        request_timeout: cloud.request_timeout,
        ca_pem: cloud.ca_file.as_ref().map(std::fs::read).transpose().map_err(Error::CaFile)?,
        proxy: cloud.proxy()?,
        endpoints: Endpoints::new(cloud.region_endpoint.iter().cloned())?,
        ..ClientConfig::default()
    })
}
