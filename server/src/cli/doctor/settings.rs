//! The configuration.

use super::report::Finding;
use crate::config::{Fault, Faults, Profile, Settings};

/// Whatever keeps the configuration from being read. Nothing else can be looked at then.
pub(super) fn faults(faults: &Faults) -> Vec<Finding> {
    let one = |fault: &Fault| {
        let hint =
            "docs/configuration.md has every setting; the rest is looked at once this is mended";
        Finding::fault("configuration", fault.to_string(), hint)
    };
    let faulty = faults.faults.iter().map(one);
    faulty.chain(faults.warnings.iter().map(warning)).collect()
}

fn warning(warning: &Fault) -> Finding {
    let hint = "docs/configuration.md has every setting";
    Finding::warning("configuration", warning.to_string(), hint)
}

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let (profile, database) = (settings.profile, &settings.database.url);
    let mut findings = vec![
        Finding::ok(
            "configuration",
            format!("profile {profile}, database {database}"),
        ),
        issuer(settings),
        hosts(settings),
    ];
    findings.extend(settings.warnings.iter().map(warning));
    findings
}

/// Services look for the published keys at the issuer's address.
fn issuer(settings: &Settings) -> Finding {
    const CHECK: &str = "configuration.issuer";
    let (issuer, public_url) = (&settings.tokens.issuer, &settings.http.public_url);
    if issuer.trim_end_matches('/') == public_url.as_str().trim_end_matches('/') {
        return Finding::ok(CHECK, format!("tokens are issued as {issuer}"));
    }
    Finding::warning(
        CHECK,
        format!("tokens are issued as {issuer}, and browsers use {public_url}"),
        "set COUNTERSIGN_TOKENS__ISSUER to COUNTERSIGN_HTTP__PUBLIC_URL, unless services are told where the keys are",
    )
}

fn hosts(settings: &Settings) -> Finding {
    const CHECK: &str = "configuration.hosts";
    let http = &settings.http;
    let own = http.public_url.host_str().unwrap_or_default();
    if http.allowed_hosts.iter().any(|host| host == own) {
        return Finding::ok(CHECK, format!("requests to {own} are answered"));
    }
    let text = format!("requests to {own}, the public URL's host, would be answered 421");
    match settings.profile {
        Profile::Development => Finding::warning(CHECK, text, HOSTS_HINT),
        Profile::Production => Finding::fault(CHECK, text, HOSTS_HINT),
    }
}

const HOSTS_HINT: &str = "add it to COUNTERSIGN_HTTP__ALLOWED_HOSTS";
