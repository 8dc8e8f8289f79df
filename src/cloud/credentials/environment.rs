//! A credential from environment variables: the SDK's own, or those of the API page's samples.
//!
//! The two families are never mixed: an access key with the secret key of another account is refused, and Huawei locks
//! an access key after five refusals.

use super::{Environment, Fetched};
use crate::cloud::{
    credentials::Credential,
    fault::{Fault, FaultKind},
};

/// Access key, secret key and, where the family knows one, security token.
const FAMILIES: [(&str, &str, Option<&str>); 2] = [
    ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", Some("HUAWEICLOUD_SDK_SECURITY_TOKEN")),
    ("CLOUD_SDK_AK", "CLOUD_SDK_SK", None),
];

/// Whether any of the variables is set. Half of a pair counts: it is a mistake to report, and another source must not
/// hide it.
pub(super) fn is_set_up(environment: &Environment) -> bool {
    FAMILIES.iter().any(|(ak, sk, _)| environment.get(ak).is_some() || environment.get(sk).is_some())
}

pub(super) fn fetch(environment: &Environment) -> Result<Fetched, Fault> {
    let is_used =
        |(ak, sk, _): &&(&str, &str, _)| environment.get(ak).is_some() || environment.get(sk).is_some();
    let (ak, sk, token) = FAMILIES.iter().find(is_used).unwrap_or(&FAMILIES[0]);
    let what = "holds a part of the credential, and all parts are needed";
    let credential = Credential::new(
        &environment.need(ak, what)?,
        &environment.need(sk, what)?,
        token.and_then(|token| environment.get(token)).as_deref(),
    )
    .map_err(|error| Fault::new(FaultKind::SecretInvalid, format!("in the environment, {error}")))?;
    Ok(Fetched { credential, expires: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&'static str, &'static str)]) -> Environment {
        let variables = variables.to_vec();
        Environment::new(move |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_sdks_variables_come_first_and_families_never_mix() {
        let page = [("CLOUD_SDK_AK", "page-ak"), ("CLOUD_SDK_SK", "page-sk")];
        let sdk = [("HUAWEICLOUD_SDK_AK", " sdk-ak\n"), ("HUAWEICLOUD_SDK_SK", "sdk-sk")];
        let token = [("HUAWEICLOUD_SDK_SECURITY_TOKEN", "token")];
        for (variables, ak, sk, token) in [
            (page.to_vec(), "page-ak", "page-sk", None),
            ([page, sdk].concat(), "sdk-ak", "sdk-sk", None),
            ([&sdk[..], &token].concat(), "sdk-ak", "sdk-sk", Some("token")),
            ([&page[..], &token].concat(), "page-ak", "page-sk", None),
            ([&page[..], &[("HUAWEICLOUD_SDK_AK", " ")]].concat(), "page-ak", "page-sk", None),
        ] {
            let environment = of(&variables);
            assert!(is_set_up(&environment));
            let credential = fetch(&environment).unwrap().credential;
            assert_eq!(
                (credential.access_key(), credential.secret_key(), credential.security_token()),
                (ak, sk, token)
            );
        }
    }

    #[test]
    fn half_a_credential_is_reported_by_the_name_of_what_is_missing() {
        let page = [("CLOUD_SDK_AK", "page-ak"), ("CLOUD_SDK_SK", "page-sk")];
        for (variables, missing) in [
            (vec![("HUAWEICLOUD_SDK_AK", "canary")], "HUAWEICLOUD_SDK_SK is not set"),
            (vec![("HUAWEICLOUD_SDK_SK", "canary")], "HUAWEICLOUD_SDK_AK is not set"),
            (vec![("CLOUD_SDK_AK", "canary")], "CLOUD_SDK_SK is not set"),
            ([&page[..], &[("HUAWEICLOUD_SDK_AK", "canary")]].concat(), "HUAWEICLOUD_SDK_SK is not set"),
            (vec![("CLOUD_SDK_AK", "can ary"), ("CLOUD_SDK_SK", "x")], "in the environment, accessKey"),
        ] {
            let environment = of(&variables);
            assert!(is_set_up(&environment));
            let Err(fault) = fetch(&environment) else { panic!("{missing}") };
            assert_eq!(fault.kind, FaultKind::SecretInvalid);
            assert!(fault.message.starts_with(missing) && !fault.message.contains("can"), "{fault}");
        }
        assert!(!is_set_up(&of(&[("HUAWEICLOUD_SDK_SECURITY_TOKEN", "t")])));
        assert!(fetch(&of(&[])).is_err());
    }
}
