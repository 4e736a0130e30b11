//! A pod of the allocator: its process as the image starts it, its files as a kubelet mounts them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::Value;
use tempfile::TempDir;

use crate::acceptance::{self, Running, eventually};
use crate::pki::{Authority, Pem};

/// Where tokens are in a pod.
const SERVICE_ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// A ConfigMap or Secret as a volume: links through `..data`, so that all its files change in one moment.
pub(crate) struct Volume {
    folder: PathBuf,
    version: u32,
}

impl Volume {
    fn new(folder: &Path, files: &[(&str, &str)]) -> Self {
        make_folder(folder);
        let mut volume = Self { folder: folder.to_owned(), version: 0 };
        volume.swap(files);
        for (name, _) in files {
            symlink(format!("..data/{name}"), folder.join(name)).unwrap();
        }
        volume
    }

    /// Replaces all files at once, as a kubelet does some time after the object changed.
    pub(crate) fn swap(&mut self, files: &[(&str, &str)]) {
        self.version += 1;
        let version = format!("..version{}", self.version);
        make_folder(&self.folder.join(&version));
        files.iter().for_each(|(name, text)| write(&self.folder.join(&version).join(name), text));
        let link = self.folder.join("..data_tmp");
        symlink(version, &link).unwrap();
        fs::rename(link, self.folder.join("..data")).unwrap();
    }
}

/// Readable for any uid, whatever the umask here.
fn make_folder(path: &Path) {
    for folder in path.ancestors().collect::<Vec<_>>().into_iter().rev().filter(|folder| !folder.exists()) {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// What a pod is made of, before it starts.
pub(crate) struct PodSpec {
    /// The log of the process, and beside it `root`.
    folder: TempDir,
    variables: Vec<String>,
    args: Vec<String>,
    tls: Option<Volume>,
}

impl PodSpec {
    /// The file system of the image, and the volumes of every allocator: its configuration and its service account.
    pub(crate) fn new(config: &str, account: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = folder.path().join("root");
        make_folder(&root.join("etc/ssl/certs"));
        fs::copy("/etc/ssl/certs/ca-certificates.crt", root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
        put_binary(&root);
        Volume::new(&root.join("conf"), &[("targetallocator.yaml", config)]);
        Volume::new(&root.join(SERVICE_ACCOUNT), account);
        Self { folder, variables: Vec::new(), args: Vec::new(), tls: None }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join("root").join(inside)
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push(format!("{name}={value}"));
        self
    }

    /// An entry of `spec.args`.
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// An empty volume of the user's.
    pub(crate) fn empty_volume(self, path: &str) -> Self {
        make_folder(&self.path(path));
        self
    }

    /// The Secret that cert-manager fills, as a volume.
    pub(crate) fn tls_secret(mut self, ca: &Authority, server: &Pem) -> Self {
        self.tls = Some(Volume::new(&self.path("tls"), &tls_files(ca, server)));
        self
    }

    /// Files of objects that the user made, each mounted by its own `subPath`.
    pub(crate) fn tls_sub_paths(self, files: &[(&str, &str)]) -> Self {
        make_folder(&self.path("tls"));
        files.iter().for_each(|(name, text)| write(&self.path("tls").join(name), text));
        self
    }

    /// Starts the process. The ports are any that are free, by flags: pods share the network here, and the file is the
    /// operator's to the letter.
    fn launch(self) -> Launched {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/in-image-shape"));
        command.arg(self.path("")).args(&self.variables).arg("/target-allocator").args(&self.args);
        command.args(["--listen-addr=127.0.0.1:0", "--listen-addr-https=127.0.0.1:0"]);
        let process = Running::start(self.folder.path(), "allocator", &mut command);
        Launched { process, tls: self.tls, _folder: self.folder }
    }

    /// Starts the process, and waits until it listens.
    pub(crate) fn start(self) -> Pod {
        let mut launched = self.launch();
        let port = eventually("it listens", || match launched.process.ended() {
            Some(status) => Ok(Err(status)),
            None => port_of(&launched.process, "listening").map(Ok),
        });
        Pod { port: port.expect("it ends instead of listening"), launched }
    }

    /// Starts the process, which is to end by itself: its exit code, and what it logged.
    pub(crate) fn run(self) -> (Option<i32>, String) {
        let mut launched = self.launch();
        let status = eventually("it ends", || launched.process.ended().ok_or_else(|| "it runs".into()));
        (status.code(), launched.process.log())
    }
}

/// The files of a Secret of cert-manager.
pub(crate) fn tls_files<'a>(ca: &'a Authority, server: &'a Pem) -> [(&'static str, &'a str); 3] {
    [("ca.crt", &ca.pem.cert), ("tls.crt", &server.cert), ("tls.key", &server.key)]
}

/// The program under test. The image's is static; the one that cargo builds for tests needs a loader and some libraries,
/// which are put where it looks for them, and nothing else is.
fn put_binary(root: &Path) {
    let binary = acceptance::binary();
    link_or_copy(&binary, &root.join("target-allocator"));
    let output = Command::new("ldd").arg(&binary).output().expect("ldd is installed");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some(library) = line.split_whitespace().find(|word| word.starts_with('/')) {
            let inside = root.join(library.trim_start_matches('/'));
            make_folder(inside.parent().unwrap());
            link_or_copy(Path::new(library), &inside);
        }
    }
}

/// A debug build is large, and there are many pods: a link where the file system is the same.
fn link_or_copy(from: &Path, to: &Path) {
    // what a link points to need not be inside
    if from.is_symlink() || fs::hard_link(from, to).is_err() {
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

/// The port that a line of the log says.
fn port_of(process: &Running, message: &str) -> Result<u16, String> {
    let log = process.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let address =
        lines.filter(|line| line["msg"] == message).find_map(|line| line["address"].as_str().map(str::to_owned));
    let port = address.as_deref().and_then(|address| address.rsplit(':').next()?.parse().ok());
    port.ok_or_else(|| format!("no {message:?} in the log"))
}

struct Launched {
    process: Running,
    tls: Option<Volume>,
    _folder: TempDir,
}

/// A running pod; killed when dropped.
pub(crate) struct Pod {
    launched: Launched,
    pub(crate) port: u16,
}

impl Pod {
    /// Waits until the readiness probe succeeds.
    pub(crate) fn ready(self) -> Self {
        acceptance::wait_ready(self.port);
        self
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        acceptance::get(self.port, path).unwrap()
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        acceptance::get_json(self.port, path).unwrap()
    }

    /// Asks until the answer is 200 and `is_so` likes it, and gives it.
    pub(crate) fn wait_for(&self, path: &str, is_so: impl Fn(&str) -> bool) -> String {
        eventually(path, || match acceptance::get(self.port, path)? {
            (200, body) if is_so(&body) => Ok(body),
            (status, body) => Err(format!("{status} {body}")),
        })
    }

    /// Waits until each of `texts` is in the answer.
    pub(crate) fn wait_for_texts(&self, path: &str, texts: &[&str]) -> String {
        self.wait_for(path, |body| texts.iter().all(|text| body.contains(text)))
    }

    /// Names of the jobs in `/scrape_configs`.
    pub(crate) fn jobs(&self) -> BTreeSet<String> {
        self.json("/scrape_configs").as_object().unwrap().keys().cloned().collect()
    }

    /// The groups of `job` that `collector` gets.
    pub(crate) fn groups(&self, job: &str, collector: &str) -> Vec<Value> {
        let groups = self.json(&format!("/jobs/{}/targets?collector_id={collector}", escape(job)));
        groups.as_array().unwrap().clone()
    }

    /// The addresses of `job` that `collector` gets, where the end-to-end suites look for them: in the labels.
    pub(crate) fn share(&self, job: &str, collector: &str) -> BTreeSet<String> {
        let address = |group: &Value| group["labels"]["__address__"].as_str().unwrap().to_owned();
        self.groups(job, collector).iter().map(address).collect()
    }

    pub(crate) fn wait_for_share(&self, job: &str, collector: &str, wanted: &[&str]) {
        let wanted: BTreeSet<String> = wanted.iter().map(|address| (*address).to_owned()).collect();
        let path = format!("/jobs/{}/targets?collector_id={collector}", escape(job));
        self.wait_for(&path, |body| {
            let groups: Vec<Value> = serde_json::from_str(body).unwrap();
            groups.iter().map(|group| group["targets"][0].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
                == wanted
        });
    }

    /// `curl` at a port of the Service, as a pod with these files does it: what it prints, or why it failed.
    pub(crate) fn curl(&self, url: &str, args: &[&str]) -> Result<String, String> {
        let port = if url.starts_with("https:") { self.https_port() } else { self.port };
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "30"]);
        command.arg("--connect-to").arg(format!("::127.0.0.1:{port}")).args(args).arg(url);
        let output = command.output().expect("curl is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    pub(crate) fn https_port(&self) -> u16 {
        eventually("it listens for HTTPS", || port_of(&self.launched.process, "listening for HTTPS"))
    }

    /// The volume at `/tls`.
    pub(crate) fn tls(&mut self) -> &mut Volume {
        self.launched.tls.as_mut().expect("the pod has a Secret there")
    }

    pub(crate) fn log(&self) -> String {
        self.launched.process.log()
    }

    /// Whether it is still the process that was started.
    pub(crate) fn is_running(&mut self) -> bool {
        self.launched.process.ended().is_none()
    }

    /// `/proc/<pid>/status` of the process, seen from outside of its namespaces.
    pub(crate) fn status_file(&self) -> String {
        let launcher = self.launched.process.id().to_string();
        let parent = |stat: &str| stat.rsplit(')').next()?.split_whitespace().nth(1).map(str::to_owned);
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let is_child = |path: &PathBuf| {
            let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
            parent(&stat).as_deref() == Some(&launcher)
        };
        let child = processes.into_iter().find(is_child).expect("the launcher has a child");
        fs::read_to_string(child.join("status")).unwrap()
    }

    /// SIGTERM, and how it ends.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.launched.process.terminate()
    }
}

/// A job's name in a path, as Go's `url.QueryEscape` writes it.
pub(crate) fn escape(job: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    job.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
