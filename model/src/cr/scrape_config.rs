//! ScrapeConfig: one job whose discovery blocks are given.

use super::class::merge_tls;
use super::relabel::{Rules, check_rules};
use super::section::{Generator, check_http};
use super::tree::Tree;
use super::types::ScrapeConfigSpec;

impl Generator<'_, '_> {
    pub(crate) fn scrape_config(&mut self, spec: &ScrapeConfigSpec) -> Result<Tree, String> {
        check_rules("relabelConfigs", &spec.relabelings)?;
        check_http(&spec.http, false)?;
        let timeout = spec.scrape_timeout.as_deref().unwrap_or_default();
        self.check_timing(spec.scrape_interval.as_deref().unwrap_or_default(), timeout)?;
        check_rules("metricRelabelConfigs", &spec.metric_relabelings)?;
        let mut tree = Tree::default();
        tree.put("job_name", self.id.job_name());
        tree.put_some("scrape_interval", spec.scrape_interval.as_ref());
        tree.put_some("scrape_timeout", spec.scrape_timeout.as_ref());
        tree.extend(&spec.copied);
        self.emit_auth(&mut tree, &spec.http)?;
        let tls = spec.http.tls.as_ref().filter(|tls| !tls.is_zero());
        if let Some(tls) = merge_tls(tls, self.class) {
            tls.emit(&mut tree, self.resolver)?;
        }
        spec.http.proxy.emit(&mut tree, self.resolver)?;
        self.emit_general(&mut tree, &spec.general);
        for block in &spec.sd_blocks {
            block.emit(&mut tree, self.resolver)?;
        }
        let mut rules = Rules::new();
        self.add_class_rules(&mut rules);
        if !spec.job_name.is_empty() {
            rules.add(&[], |rule| {
                rule.put("target_label", "job");
                rule.put("action", "replace");
                rule.put("replacement", &spec.job_name);
            });
        }
        rules.user(&spec.relabelings);
        tree.put("relabel_configs", rules);
        self.emit_metric_rules(&mut tree, &spec.metric_relabelings);
        Ok(tree)
    }
}
