//! The flags that say where the access key comes from, the same for every command that signs for itself.

use std::fmt;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::value::{is_namespace, is_object_name};
use crate::cloud::credentials::OperatorCredentials;

/// Where the access key comes from.
#[derive(Clone, Debug, Args)]
pub struct CredentialArgs {
    /// Where the access key comes from.
    #[arg(long, env = "CBW_CREDENTIALS", value_enum, default_value_t, value_name = "SOURCE")]
    pub credentials: CredentialSource,

    /// A Secret with the access key, read with the current kubeconfig: keys accessKey, secretKey and, for temporary
    /// credentials, securityToken.
    #[arg(long, env = "CBW_SECRET", value_name = "NAMESPACE/NAME", conflicts_with = "credentials")]
    pub secret: Option<SecretName>,
}

/// Which identity of this process to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CredentialSource {
    /// The first of the following that is set up.
    #[default]
    Auto,
    /// `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK` and `HUAWEICLOUD_SDK_SECURITY_TOKEN`, or `CLOUD_SDK_AK` and
    /// `CLOUD_SDK_SK`.
    Environment,
    /// CCE pod identity, by `HC_CONTAINER_CREDENTIALS_FULL_URI`.
    PodIdentity,
    /// OIDC federation, by `HUAWEICLOUD_SDK_IDP_ID` and `HUAWEICLOUD_SDK_ID_TOKEN_FILE`.
    Oidc,
    /// The agency of the ECS that this runs on, by its metadata service.
    Metadata,
}

impl From<CredentialSource> for OperatorCredentials {
    fn from(source: CredentialSource) -> Self {
        match source {
            CredentialSource::Auto => Self::Auto,
            CredentialSource::Environment => Self::Environment,
            CredentialSource::PodIdentity => Self::PodIdentity,
            CredentialSource::Oidc => Self::Oidc,
            CredentialSource::Metadata => Self::Metadata,
        }
    }
}

/// A Secret of any namespace. Both names are checked, so that they cannot lead to another path of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for SecretName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if is_namespace(namespace) && is_object_name(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("write it as NAMESPACE/NAME, such as platform/huawei".to_owned()),
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_name_is_a_namespace_and_a_name_and_no_other_path() {
        let name: SecretName = "platform/huawei.prod-1".parse().unwrap();
        assert_eq!(
            (name.namespace.as_str(), name.name.as_str(), name.to_string().as_str()),
            ("platform", "huawei.prod-1", "platform/huawei.prod-1")
        );
        for bad in [
            "", "/", "a", "a/", "/b", "a/b/c", "a/../b", "a/..", "A/b", "a/b?x", "a.b/c", "a/-b", "a/b%2f",
            "a/b\n",
        ] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
        }
    }
}
