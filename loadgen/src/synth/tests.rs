use std::collections::HashSet;

use super::*;

fn mk_synth(profile: Profile) -> Synth {
    Synth::new(SynthOptions { profile, targets: 500, jobs: 7, ..SynthOptions::default() }).unwrap()
}

fn all_targets(synth: &Synth) -> Vec<(u32, SynthGroup)> {
    (0..synth.jobs()).flat_map(|job| synth.groups(job).map(move |group| (job, group)).collect::<Vec<_>>()).collect()
}

fn text_bytes(labels: &LabelPairs) -> (usize, usize) {
    (labels.iter().map(|(name, _)| name.len()).sum(), labels.iter().map(|(_, value)| value.len()).sum())
}

#[test]
fn endpointslice_targets_have_the_published_shape() {
    let group = mk_synth(Profile::Endpointslice).groups(0).next().unwrap();
    assert_eq!((group.labels.len(), group.targets[0].len()), (14, 29));
    let merged = group.merged(0);
    assert_eq!(merged.len(), 43);
    let (names, values) = text_bytes(&merged);
    assert!((1900..=2010).contains(&names), "{names} bytes of names");
    assert!((440..=600).contains(&values), "{values} bytes of values");
    let map: std::collections::BTreeMap<_, _> = merged.into_iter().collect();
    let json = serde_json::json!([{"targets": [map["__address__"]], "labels": map}]).to_string();
    assert!((2_650..=2_800).contains(&json.len()), "{} bytes of JSON", json.len());
}

#[test]
fn about_ten_values_vary_inside_an_endpointslice_group() {
    let group = mk_synth(Profile::Endpointslice).groups(0).next().unwrap();
    let varying = (0..29).filter(|&i| group.targets.iter().any(|t| t[i].1 != group.targets[0][i].1)).count();
    assert!((8..=11).contains(&varying), "{varying} varying values");
}

#[test]
fn label_amounts_are_as_named() {
    for (labels, expected) in [(LabelAmount::Few, 10), (LabelAmount::Usual, 43), (LabelAmount::WithLastApplied, 45)] {
        let synth = Synth::new(SynthOptions { labels, ..SynthOptions::default() }).unwrap();
        assert_eq!(synth.groups(0).next().unwrap().merged(0).len(), expected, "{labels:?}");
    }
}

#[test]
fn upstream_bench_shape_is_b1() {
    let synth = Synth::new(SynthOptions::upstream_bench(1000)).unwrap();
    assert_eq!((synth.jobs(), synth.job_targets(0), synth.job_groups(0)), (10, 100, 20));
    let group = synth.groups(3).next().unwrap();
    assert_eq!((group.labels.len(), group.targets.len(), group.targets[0].len()), (17, 5, 25));
    assert_eq!(group.merged(0).len(), 42);
}

#[test]
fn every_target_is_made_once_and_addresses_differ() {
    for profile in [Profile::Endpointslice, Profile::Pod, Profile::Static] {
        let synth = mk_synth(profile);
        let groups = all_targets(&synth);
        assert_eq!(groups.iter().map(|(_, group)| group.targets.len()).sum::<usize>(), 500, "{profile:?}");
        let addresses: HashSet<String> = groups
            .iter()
            .flat_map(|(_, group)| (0..group.targets.len()).map(|i| group.merged(i)[0].1.clone()))
            .collect();
        assert_eq!(addresses.len(), 500, "{profile:?}");
        let sources: HashSet<(u32, &str)> = groups.iter().map(|(job, group)| (*job, group.source.as_str())).collect();
        assert_eq!(sources.len(), groups.len(), "sources of {profile:?}");
    }
}

#[test]
fn labels_are_sorted_and_unique_in_every_profile() {
    let profiles = [Profile::Endpointslice, Profile::Pod, Profile::Node, Profile::Static, Profile::UpstreamBench];
    for profile in profiles {
        for (_, group) in all_targets(&mk_synth(profile)) {
            for index in 0..group.targets.len() {
                let merged = group.merged(index);
                assert!(merged.windows(2).all(|pair| pair[0].0 < pair[1].0), "{profile:?}: {merged:?}");
            }
        }
    }
}

#[test]
fn equal_seeds_give_equal_targets_and_other_seeds_do_not() {
    let make = |seed| all_targets(&Synth::new(SynthOptions { seed, ..SynthOptions::default() }).unwrap());
    assert_eq!(make(3), make(3));
    assert_ne!(make(3), make(4));
}

#[test]
fn a_replaced_pod_has_another_identity_and_a_meta_change_keeps_it() {
    let synth = mk_synth(Profile::Endpointslice);
    let before = synth.plan(0, 0);
    let mut replaced = before.clone();
    replaced.slots[0].serial += 1;
    assert_ne!(synth.address(&before, before.slots[0]), synth.address(&replaced, replaced.slots[0]));
    assert_eq!(synth.render(&before).targets[1], synth.render(&replaced).targets[1]);
    let meta_only = GroupPlan { revision: 1, ..before.clone() };
    let (old, new) = (synth.render(&before), synth.render(&meta_only));
    assert_ne!(old, new);
    let identity = |group: &SynthGroup| -> LabelPairs {
        group.merged(0).into_iter().filter(|(name, _)| !name.starts_with("__meta_")).collect()
    };
    assert_eq!(identity(&old), identity(&new));
    assert_eq!(old.source, new.source);
}

#[test]
fn zipf_sizes_fall_and_sum_up() {
    let options = SynthOptions { targets: 10_000, jobs: 50, job_sizes: JobSizes::Zipf(1.1), ..SynthOptions::default() };
    let synth = Synth::new(options).unwrap();
    let sizes: Vec<u64> = (0..50).map(|job| synth.job_targets(job)).collect();
    assert_eq!(sizes.iter().sum::<u64>(), 10_000);
    assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]) && sizes[49] >= 1 && sizes[0] > 10 * sizes[49]);
}

#[test]
fn log_normal_weights_have_their_median() {
    let synth = Synth::new(SynthOptions { weight_sigma: Some(1.5), ..SynthOptions::default() }).unwrap();
    let mut weights: Vec<u64> = (0..10_001).map(|ordinal| synth.weight(0, ordinal)).collect();
    weights.sort_unstable();
    assert!((900..=1100).contains(&weights[5000]), "median {}", weights[5000]);
    assert!(weights[9900] > 20 * weights[5000]);
    assert_eq!(mk_synth(Profile::Pod).weight(0, 5), 1);
}

#[test]
fn impossible_options_are_refused() {
    let make = |options| Synth::new(options).map(|_| ()).unwrap_err();
    assert_eq!(make(SynthOptions { jobs: 0, ..SynthOptions::default() }), SynthError::Zero { what: "jobs" });
    assert!(matches!(make(SynthOptions { targets: 1 << 40, ..SynthOptions::default() }), SynthError::TooMany { .. }));
    let nan = SynthOptions { job_sizes: JobSizes::Zipf(f64::NAN), ..SynthOptions::default() };
    assert!(matches!(make(nan), SynthError::Exponent { .. }));
}

#[test]
fn rules_render_as_yaml() {
    let rules = relabel_rules(Profile::Endpointslice);
    assert!((11..=13).contains(&rules.len()));
    let yaml = relabel_rules_yaml(&rules, 4);
    assert!(yaml.starts_with(
        "    - action: replace\n      source_labels: [job]\n      target_label: '__tmp_prometheus_job_name'\n"
    ));
    assert_eq!(yaml.matches("- action:").count(), rules.len());
}
