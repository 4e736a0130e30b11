//! Reading manifests: files, directories, standard input. What cannot be read is told and costs nobody else anything.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

use ta_model::cr::{self, Objects};

/// Everything that was read.
#[derive(Default)]
pub(super) struct Manifests {
    pub(super) objects: Objects,
    /// A sentence for each file and each Secret, Service … that could not be read, with its place.
    pub(super) errors: Vec<String>,
}

impl Manifests {
    /// Reads `paths` in their order; of an object that is there twice the last counts.
    pub(super) fn read(paths: &[PathBuf], input: &mut dyn Read) -> Self {
        let mut manifests = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                let mut text = String::new();
                let read = input.read_to_string(&mut text).map(|_| text);
                manifests.add("standard input", read);
            } else {
                manifests.add_path(path);
            }
        }
        manifests
    }

    fn add_path(&mut self, path: &Path) {
        if !path.is_dir() {
            self.add(&path.display().to_string(), fs::read_to_string(path));
            return;
        }
        match manifests_in(path) {
            Ok(files) => {
                for file in files {
                    self.add(&file.display().to_string(), fs::read_to_string(&file));
                }
            }
            Err(error) => self.errors.push(format!("{}: cannot read the directory: {error}", path.display())),
        }
    }

    fn add(&mut self, name: &str, read: io::Result<String>) {
        let text = match read {
            Ok(text) => text,
            Err(error) => return self.errors.push(format!("{name}: cannot read it: {error}")),
        };
        let nodes = match cr::split(&text) {
            Ok(nodes) => nodes,
            Err(error) => {
                let (line, column, message) = (error.line, error.column, error.message);
                return self.errors.push(format!("{name}:{line}:{column}: not YAML: {message}"));
            }
        };
        for node in &nodes {
            if let Err(error) = self.objects.add(node) {
                self.errors.push(format!("{name}: {error}"));
            }
        }
    }
}

/// The manifests right in a directory, by name, as `kubectl` takes them.
fn manifests_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_manifest = path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if is_manifest && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
