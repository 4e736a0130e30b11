//! Label selectors and the selection of objects.

use std::collections::BTreeMap;

use ta_model::cr::{Kind, KindSelectors, LabelSelector, Namespaces, ObjectId, Selection, Unselected};
use ta_model::yaml::{Decode, Decoder, Dialect, parse};

fn mk_labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn mk_selector(text: &str) -> LabelSelector {
    let mut decoder = Decoder::new(Dialect::Kubernetes, "");
    let selector = LabelSelector::decode(&mut decoder, &parse(text).expect("YAML").root);
    assert_eq!(decoder.finish().errors, [], "{text}");
    selector.expect("a selector")
}

fn mk_id(kind: Kind, namespace: &str) -> ObjectId {
    ObjectId { kind, namespace: namespace.into(), name: "x".into() }
}

#[test]
fn selectors_match_as_kubernetes_has_it() {
    let labels = mk_labels(&[("app", "web"), ("tier", ""), ("env", "prod")]);
    let table = [
        ("{}", true),
        ("{matchLabels: {app: web}}", true),
        ("{matchLabels: {app: web, env: dev}}", false),
        ("{matchLabels: {tier: ''}}", true),
        ("{matchLabels: {gone: ''}}", false),
        ("{matchExpressions: [{key: app, operator: In, values: [db, web]}]}", true),
        ("{matchExpressions: [{key: app, operator: In, values: [db]}]}", false),
        ("{matchExpressions: [{key: gone, operator: In, values: ['']}]}", false),
        ("{matchExpressions: [{key: app, operator: NotIn, values: [db]}]}", true),
        ("{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}", false),
        ("{matchExpressions: [{key: gone, operator: NotIn, values: [web]}]}", true),
        ("{matchExpressions: [{key: tier, operator: Exists}]}", true),
        ("{matchExpressions: [{key: gone, operator: Exists}]}", false),
        ("{matchExpressions: [{key: gone, operator: DoesNotExist}]}", true),
        ("{matchExpressions: [{key: tier, operator: DoesNotExist}]}", false),
        (
            "{matchLabels: {app: web}, matchExpressions: [{key: env, operator: Exists}, {key: env, operator: NotIn, values: [prod]}]}",
            false,
        ),
        ("{matchExpressions: [{key: app, operator: Like, values: [w]}]}", false),
    ];
    for (text, matches) in table {
        assert_eq!(mk_selector(text).matches(&labels), matches, "{text}");
    }
}

#[test]
fn selectors_that_are_none() {
    let table = [
        ("{matchExpressions: [{key: a, operator: Like}]}", "\"Like\" is not a valid label selector operator"),
        (
            "{matchExpressions: [{key: a, operator: In}]}",
            "\"a\": values: for 'in', 'notin' operators, values set can't be empty",
        ),
        ("{matchExpressions: [{key: a, operator: NotIn, values: []}]}", "\"a\": values: for 'in', 'notin' operators"),
        ("{matchExpressions: [{key: a, operator: Exists, values: [b]}]}", "\"a\": values: values set must be empty"),
        ("{matchExpressions: [{key: -a, operator: Exists}]}", "key: Invalid value"),
        ("{matchExpressions: [{key: a, operator: In, values: ['b c']}]}", "values: Invalid value: \"b c\""),
        ("{matchLabels: {'a b': c}}", "key: Invalid value"),
        ("{matchLabels: {a: 'c|d'}}", "values: Invalid value: \"c|d\""),
    ];
    for (text, error) in table {
        let found = mk_selector(text).check().unwrap_err();
        assert!(found.starts_with(error), "{text}: {found}");
    }
    let good = "{matchLabels: {x.y/a: ''}, matchExpressions: [{key: b, operator: NotIn, values: [c]}]}";
    assert_eq!(mk_selector(good).check(), Ok(()));
}

#[test]
fn selectors_read_as_the_api_server_takes_them() {
    let text = "{matchLabels: {z: '1', app: agent}, matchExpressions: [{key: track, operator: NotIn, values: [beta, alpha]}, \
                {key: b, operator: Exists}, {key: c, operator: DoesNotExist}, {key: d, operator: In, values: [v, u]}]}";
    assert_eq!(mk_selector(text).to_string(), "app=agent,b,!c,d in (u,v),track notin (alpha,beta),z=1");
    assert_eq!(mk_selector("{}").to_string(), "");
}

#[test]
fn every_way_not_to_be_selected_has_its_reason() {
    let labels = mk_labels(&[("team", "a")]);
    let namespaces: Namespaces =
        [("shop".to_owned(), mk_labels(&[("env", "prod")])), ("lab".to_owned(), mk_labels(&[("env", "dev")]))].into();
    let prod = || Some(mk_selector("{matchLabels: {env: prod}}"));
    let everything = || Some(LabelSelector::default());
    type Change = fn(&mut Selection);
    let table: [(&str, Change, Option<&str>); 8] = [
        ("shop", |_| {}, None),
        (
            "shop",
            |selection| selection.deny_namespaces.extend(["shop".into()]),
            Some("its namespace is in deny_namespaces"),
        ),
        (
            "shop",
            |selection| selection.allow_namespaces.extend(["lab".into()]),
            Some("its namespace is not in allow_namespaces"),
        ),
        ("lab", |_| {}, Some("the namespace selector wants env=prod, has env=dev (on the namespace)")),
        ("new", |_| {}, Some("its namespace is not known")),
        (
            "shop",
            |selection| selection.kinds.clear(),
            Some("there is no selector for its kind, which selects nothing; {} would select everything"),
        ),
        (
            "shop",
            |selection| {
                selection.kinds.values_mut().for_each(|kind| kind.own = Some(mk_selector("{matchLabels: {team: b}}")))
            },
            Some("the selector wants team=b, has team=a"),
        ),
        (
            "shop",
            |selection| {
                selection
                    .kinds
                    .values_mut()
                    .for_each(|kind| kind.own = Some(mk_selector("{matchLabels: {release: x}}")))
            },
            Some("the selector wants release=x, has no label release"),
        ),
    ];
    for (namespace, change, why) in table {
        let selectors = KindSelectors { own: everything(), namespace: prod() };
        let mut selection = Selection { kinds: [(Kind::Probe, selectors)].into(), ..Selection::default() };
        change(&mut selection);
        let found = selection.check_object(&mk_id(Kind::Probe, namespace), &labels, &namespaces);
        assert_eq!(found.map_err(|why| why.to_string()), why.map_or(Ok(()), |why| Err(why.to_owned())));
    }
}

#[test]
fn no_selector_is_nothing_and_no_namespace_selector_the_collectors_namespace() {
    let namespaces = Namespaces::default();
    let labels = BTreeMap::new();
    let mut selection = Selection { collector_namespace: "otel".into(), ..Selection::all() };
    selection.kinds.insert(Kind::PodMonitor, KindSelectors { own: None, namespace: Some(LabelSelector::default()) });
    selection.kinds.insert(Kind::Probe, KindSelectors { own: Some(LabelSelector::default()), namespace: None });
    let check = |kind, namespace| selection.check_object(&mk_id(kind, namespace), &labels, &namespaces);
    assert_eq!(check(Kind::ServiceMonitor, "anywhere"), Ok(()), "nothing has to be known of a namespace for {{}}");
    assert_eq!(check(Kind::PodMonitor, "otel"), Err(Unselected::NoSelector));
    assert_eq!(check(Kind::Probe, "otel"), Ok(()));
    assert_eq!(check(Kind::Probe, "shop"), Err(Unselected::NotCollectorNamespace));
}

#[test]
fn a_wrong_selector_is_named_by_its_kind() {
    let mut selection = Selection::all();
    assert_eq!(selection.check(), Ok(()));
    let wrong = mk_selector("{matchExpressions: [{key: a, operator: In}]}");
    selection.kinds.insert(Kind::ScrapeConfig, KindSelectors { own: None, namespace: Some(wrong) });
    let error = selection.check().unwrap_err();
    assert!(error.starts_with("namespace selector for ScrapeConfig: \"a\": values: "), "{error}");
}

#[test]
fn objects_sort_by_kind_and_then_by_their_key() {
    let id = |kind, namespace: &str, name: &str| ObjectId { kind, namespace: namespace.into(), name: name.into() };
    let mut ids = [
        id(Kind::Probe, "a", "x"),
        id(Kind::ServiceMonitor, "a", "x"),
        id(Kind::ServiceMonitor, "a-b", "x"),
        id(Kind::ServiceMonitor, "a", "a"),
    ];
    ids.sort();
    let names: Vec<String> = ids.iter().map(ObjectId::to_string).collect();
    assert_eq!(names, ["ServiceMonitor a-b/x", "ServiceMonitor a/a", "ServiceMonitor a/x", "Probe a/x"]);
}
