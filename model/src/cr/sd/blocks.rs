//! The blocks, one table each (prometheus-operator: `pkg/prometheus/promcfg.go`, `generateScrapeConfig`).

use super::super::copied::{SCHEMES, Setting, Shape, always, given, not_empty};
use super::Part::{self, Authorization, BasicAuth, OAuth2, Proxy, Tls};
use super::{BlockSpec, SecretField};

pub(super) const KUBERNETES: &str = "kubernetes_sd_configs";
pub(super) const AZURE: &str = "azure_sd_configs";
pub(super) const IONOS: &str = "ionos_sd_configs";

const ALL: &[Part] = &[BasicAuth, Authorization, OAuth2, Proxy, Tls];
const NO_BASIC: &[Part] = &[Authorization, OAuth2, Proxy, Tls];

const REDIRECTS: Setting = given("followRedirects", "follow_redirects", Shape::Bool);
const HTTP2: Setting = given("enableHTTP2", "enable_http2", Shape::Bool);
const REFRESH: Setting = given("refreshInterval", "refresh_interval", Shape::Text);
const PORT: Setting = given("port", "port", Shape::Int);
const SEPARATOR: Setting = given("tagSeparator", "tag_separator", Shape::Text);
const FILTERS: Setting = not_empty("filters", "filters", Shape::Filters);

const fn text(from: &'static str, to: &'static str) -> Setting {
    given(from, to, Shape::Text)
}

const fn flag(from: &'static str, to: &'static str) -> Setting {
    given(from, to, Shape::Bool)
}

const fn secret(from: &'static str, to: &'static str) -> SecretField {
    SecretField { from, to, required: false }
}

const fn needed(from: &'static str, to: &'static str) -> SecretField {
    SecretField { from, to, required: true }
}

/// A block without anything; each one overrides what it has.
const NONE: BlockSpec = BlockSpec { from: "", to: "", prefix: None, http: &[], plain: &[], secrets: &[], ignored: &[] };

const ROLES: Shape = Shape::Lower(&["Pod", "Endpoints", "Ingress", "Service", "Node", "EndpointSlice"]);

/// `kubernetesSDConfigs[].namespaces`.
pub(super) const NAMESPACES: &[Setting] =
    &[always("names", "names", Shape::Texts), flag("ownNamespace", "own_namespace")];

/// `kubernetesSDConfigs[].selectors[]`.
pub(super) const SELECTOR: &[Setting] = &[given("role", "role", ROLES), text("label", "label"), text("field", "field")];

/// In the order upstream checks them.
pub(crate) const BLOCKS: &[BlockSpec] = &[
    BlockSpec {
        from: "staticConfigs",
        to: "static_configs",
        plain: &[always("targets", "targets", Shape::Texts), always("labels", "labels", Shape::TextMap)],
        ..NONE
    },
    BlockSpec {
        from: "fileSDConfigs",
        to: "file_sd_configs",
        plain: &[always("files", "files", Shape::Texts), REFRESH],
        ..NONE
    },
    BlockSpec {
        from: "httpSDConfigs",
        to: "http_sd_configs",
        http: ALL,
        plain: &[always("url", "url", Shape::Text), REFRESH, REDIRECTS, HTTP2],
        ..NONE
    },
    BlockSpec {
        from: "kubernetesSDConfigs",
        to: KUBERNETES,
        http: ALL,
        plain: &[text("apiServer", "api_server"), always("role", "role", ROLES), REDIRECTS, HTTP2],
        ..NONE
    },
    BlockSpec {
        from: "consulSDConfigs",
        to: "consul_sd_configs",
        http: ALL,
        plain: &[
            always("server", "server", Shape::Text),
            text("pathPrefix", "path_prefix"),
            text("datacenter", "datacenter"),
            text("namespace", "namespace"),
            text("partition", "partition"),
            given("scheme", "scheme", SCHEMES),
            not_empty("services", "services", Shape::Texts),
            not_empty("tags", "tags", Shape::Texts),
            SEPARATOR,
            not_empty("nodeMeta", "node_meta", Shape::TextMap),
            text("filter", "filter"),
            text("healthFilter", "health_filter"),
            flag("allowStale", "allow_stale"),
            REFRESH,
            REDIRECTS,
            HTTP2,
        ],
        secrets: &[secret("tokenRef", "token")],
        ..NONE
    },
    BlockSpec {
        from: "dnsSDConfigs",
        to: "dns_sd_configs",
        plain: &[
            always("names", "names", Shape::Texts),
            REFRESH,
            given("type", "type", Shape::Choice(&["A", "AAAA", "MX", "NS", "SRV"])),
            PORT,
        ],
        ..NONE
    },
    BlockSpec {
        from: "ec2SDConfigs",
        to: "ec2_sd_configs",
        http: &[Proxy, Tls],
        plain: &[text("region", "region"), text("roleARN", "role_arn"), REFRESH, PORT, FILTERS, REDIRECTS, HTTP2],
        secrets: &[secret("accessKey", "access_key"), secret("secretKey", "secret_key")],
        ..NONE
    },
    BlockSpec {
        from: "azureSDConfigs",
        to: AZURE,
        http: &[BasicAuth, Authorization, OAuth2, Proxy],
        plain: &[
            text("environment", "environment"),
            given("authenticationMethod", "authentication_method", Shape::Choice(AZURE_METHODS)),
            not_empty("subscriptionID", "subscription_id", Shape::Text),
            text("tenantID", "tenant_id"),
            text("clientID", "client_id"),
            text("resourceGroup", "resource_group"),
            REFRESH,
            PORT,
        ],
        secrets: &[needed("clientSecret", "client_secret")],
        ignored: &["tlsConfig", "followRedirects", "enableHTTP2"],
        ..NONE
    },
    BlockSpec {
        from: "gceSDConfigs",
        to: "gce_sd_configs",
        plain: &[
            always("project", "project", Shape::Text),
            always("zone", "zone", Shape::Text),
            text("filter", "filter"),
            REFRESH,
            PORT,
            SEPARATOR,
        ],
        ..NONE
    },
    BlockSpec {
        from: "openstackSDConfigs",
        to: "openstack_sd_configs",
        http: &[Tls],
        plain: &[
            always("role", "role", Shape::Lower(&["Instance", "Hypervisor", "LoadBalancer"])),
            always("region", "region", Shape::Text),
            text("identityEndpoint", "identity_endpoint"),
            text("username", "username"),
            text("userid", "userid"),
            text("domainName", "domain_name"),
            text("domainID", "domain_id"),
            text("projectName", "project_name"),
            text("projectID", "project_id"),
            text("applicationCredentialName", "application_credential_name"),
            text("applicationCredentialId", "application_credential_id"),
            flag("allTenants", "all_tenants"),
            REFRESH,
            PORT,
            given("availability", "availability", Shape::Choice(AVAILABILITIES)),
        ],
        secrets: &[
            secret("password", "password"),
            secret("applicationCredentialSecret", "application_credential_secret"),
        ],
        ..NONE
    },
    BlockSpec {
        from: "digitalOceanSDConfigs",
        to: "digitalocean_sd_configs",
        http: NO_BASIC,
        plain: &[REDIRECTS, HTTP2, PORT, REFRESH],
        ..NONE
    },
    BlockSpec {
        from: "kumaSDConfigs",
        to: "kuma_sd_configs",
        http: ALL,
        plain: &[
            always("server", "server", Shape::Text),
            REDIRECTS,
            HTTP2,
            REFRESH,
            text("fetchTimeout", "fetch_timeout"),
            text("clientID", "client_id"),
        ],
        ..NONE
    },
    BlockSpec {
        from: "eurekaSDConfigs",
        to: "eureka_sd_configs",
        http: ALL,
        plain: &[REDIRECTS, HTTP2, REFRESH, not_empty("server", "server", Shape::Text)],
        ..NONE
    },
    BlockSpec {
        from: "dockerSDConfigs",
        to: "docker_sd_configs",
        http: ALL,
        plain: &[
            FILTERS,
            always("host", "host", Shape::Text),
            PORT,
            text("hostNetworkingHost", "host_networking_host"),
            flag("matchFirstNetwork", "match_first_network"),
            REFRESH,
            REDIRECTS,
            HTTP2,
        ],
        ..NONE
    },
    BlockSpec {
        from: "linodeSDConfigs",
        to: "linode_sd_configs",
        http: NO_BASIC,
        plain: &[PORT, text("region", "region"), HTTP2, SEPARATOR, REFRESH, REDIRECTS],
        ..NONE
    },
    BlockSpec {
        from: "hetznerSDConfigs",
        to: "hetzner_sd_configs",
        http: ALL,
        plain: &[
            always("role", "role", Shape::Lower(&["hcloud", "robot"])),
            REDIRECTS,
            HTTP2,
            PORT,
            REFRESH,
            not_empty("labelSelector", "label_selector", Shape::Text),
        ],
        ..NONE
    },
    BlockSpec {
        from: "nomadSDConfigs",
        to: "nomad_sd_configs",
        http: ALL,
        plain: &[
            always("server", "server", Shape::Text),
            flag("allowStale", "allow_stale"),
            text("namespace", "namespace"),
            REFRESH,
            text("region", "region"),
            SEPARATOR,
            REDIRECTS,
            HTTP2,
        ],
        ..NONE
    },
    BlockSpec {
        from: "dockerSwarmSDConfigs",
        to: "dockerswarm_sd_configs",
        prefix: Some("dockerswarmSDConfigs"),
        http: ALL,
        plain: &[
            FILTERS,
            always("host", "host", Shape::Text),
            always("role", "role", Shape::Lower(&["Services", "Tasks", "Nodes"])),
            PORT,
            REFRESH,
            REDIRECTS,
            HTTP2,
        ],
        ..NONE
    },
    BlockSpec {
        from: "puppetDBSDConfigs",
        to: "puppetdb_sd_configs",
        http: ALL,
        plain: &[
            always("url", "url", Shape::Text),
            always("query", "query", Shape::Text),
            flag("includeParameters", "include_parameters"),
            PORT,
            REFRESH,
            REDIRECTS,
            HTTP2,
        ],
        ..NONE
    },
    BlockSpec {
        from: "lightSailSDConfigs",
        to: "lightsail_sd_configs",
        http: ALL,
        plain: &[
            text("region", "region"),
            text("endpoint", "endpoint"),
            PORT,
            REFRESH,
            text("roleARN", "role_arn"),
            REDIRECTS,
            HTTP2,
        ],
        secrets: &[secret("accessKey", "access_key"), secret("secretKey", "secret_key")],
        ..NONE
    },
    BlockSpec {
        from: "ovhcloudSDConfigs",
        to: "ovhcloud_sd_configs",
        prefix: Some("OVHCloudSDConfigs"),
        plain: &[
            always("applicationKey", "application_key", Shape::Text),
            always("service", "service", Shape::Renamed(&[("VPS", "vps"), ("DedicatedServer", "dedicated_server")])),
            text("endpoint", "endpoint"),
            REFRESH,
        ],
        secrets: &[needed("applicationSecret", "application_secret"), needed("consumerKey", "consumer_key")],
        ..NONE
    },
    BlockSpec {
        from: "scalewaySDConfigs",
        to: "scaleway_sd_configs",
        prefix: Some("ScalewaySDConfigs"),
        http: &[Proxy, Tls],
        plain: &[
            always("accessKey", "access_key", Shape::Text),
            always("projectID", "project_id", Shape::Text),
            always("role", "role", Shape::Lower(&["Instance", "Baremetal"])),
            PORT,
            text("apiURL", "api_url"),
            text("zone", "zone"),
            text("nameFilter", "name_filter"),
            not_empty("tagsFilter", "tags_filter", Shape::Texts),
            REFRESH,
            REDIRECTS,
            HTTP2,
        ],
        secrets: &[needed("secretKey", "secret_key")],
        ..NONE
    },
    BlockSpec {
        from: "ionosSDConfigs",
        to: IONOS,
        prefix: Some("IonosSDConfigs"),
        http: NO_BASIC,
        plain: &[always("datacenterID", "datacenter_id", Shape::Text), REDIRECTS, HTTP2, PORT, REFRESH],
        ..NONE
    },
];

const AZURE_METHODS: &[&str] = &["OAuth", "ManagedIdentity", "SDK", "WorkloadIdentity"];

const AVAILABILITIES: &[&str] = &["Public", "public", "Admin", "admin", "Internal", "internal"];
