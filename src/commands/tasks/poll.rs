//! One poll: gets the credential, asks for the tasks of the cluster, and returns a report. Repeating it is left to
//! [`super::follow`].

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    credentials::Credentials,
    report::{Builder, Clock, Report},
};
use crate::cli::{CloudArgs, CredentialArgs};
use crate::cloud::{
    client::{Client, ClientConfig},
    credentials::Credential,
    fault::{Fault, FaultKind, Program},
    other_type::Look,
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
    look: Look,
    /// Whether the upgrades are listed too, for whoever looks at each exchange.
    lists_upgrades: bool,
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
        let lists_upgrades = tap.is_some();
        let config = ClientConfig { tap, ..client_config(cloud)? };
        let credentials = Credentials::new(credential, &target.region, &config).await?;
        Ok(Self {
            client: Client::new(config)?,
            credentials,
            reports: Builder::new(&target),
            target,
            look: Look::default(),
            lists_upgrades,
        })
    }

    /// The client, the cluster and the credential as of now, for another call.
    pub async fn ready(&mut self) -> Result<(&Client, &Target, Arc<Credential>), PollError> {
        let credential = self.credentials.get().await?;
        Ok((&self.client, &self.target, credential))
    }

    /// Polls once.
    pub async fn once(&mut self) -> Result<Report, PollError> {
        let credential = self.credentials.get().await?;
        let (client, target, now) = (&self.client, &self.target, Timestamp::now());
        let listed = client.list_dated_tasks(target, &credential, now).await;
        let answered = Timestamp::now();
        if self.lists_upgrades && listed.is_ok() {
            // What this call answers is only looked at: a command about tasks needs none of it.
            let _ = client.list_upgrades(target, &credential, Timestamp::now()).await;
        }
        match listed {
            Ok((answer, date)) => Ok(self.reports.report(&answer, Clock::new(now, answered, date))),
            Err(fault) => {
                if fault.kind == FaultKind::ClusterNotFound && self.look == Look::Unknown {
                    let other = Target { cluster_type: target.cluster_type.other(), ..target.clone() };
                    let answer = client.list_tasks(&other, &credential, now).await;
                    self.look = Look::learned(answer.as_ref().map(|_| ()));
                }
                let message = self.look.message(&fault, self.target.cluster_type);
                Err(Fault { message: message.unwrap_or_else(|| fault.message.clone()), ..fault }.into())
            }
        }
    }
}

/// The configuration of the cloud client that the flags give.
pub fn client_config(cloud: &CloudArgs) -> Result<ClientConfig, Error> {
    Ok(ClientConfig {
        request_timeout: cloud.request_timeout,
        ca_file: cloud.ca_file.clone(),
        proxy: cloud.proxy()?,
        endpoints: Endpoints::new(cloud.region_endpoint.iter().cloned())?,
        program: Program::Command,
        ..ClientConfig::default()
    })
}
