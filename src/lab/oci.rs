//! An OCI image layout of one layer, written by hand (OCI Image Format Specification 1.1):
//! no Docker engine is needed to make an image.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Error;
use super::command::run;
use super::layout::{self, text};

/// What a container of an image runs and with which settings.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// `NAME=value`, in order.
    pub env: Vec<String>,
    /// The entry point, possibly none.
    pub entrypoint: &'static [&'static str],
    /// The default command.
    pub cmd: &'static [&'static str],
    /// Ports such as `80/tcp`.
    pub ports: &'static [&'static str],
    /// Paths that are volumes.
    pub volumes: &'static [&'static str],
    /// The directory commands start in.
    pub workdir: &'static str,
    /// The signal that ends it, when not SIGTERM.
    pub stop_signal: Option<&'static str>,
}

/// A blob as a descriptor names it.
#[derive(Clone, Debug)]
struct Blob {
    digest: String,
    size: u64,
}

/// Writes a layout with one image made of the file system in `tar` (which is removed).
pub(super) fn write(dir: &Path, tar: &Path, config: &Config, arch: &str) -> Result<(), Error> {
    let blobs = dir.join("blobs/sha256");
    layout::dir(&blobs)?;
    let diff_id = sum(tar)?;
    let packed = dir.join("layer.tar.gz");
    gzip(tar, &packed)?;
    fs::remove_file(tar).map_err(Error::file("remove", tar))?;
    let layer = Blob {
        digest: sum(&packed)?,
        size: fs::metadata(&packed)
            .map_err(Error::file("read", &packed))?
            .len(),
    };
    let place = blobs.join(&layer.digest);
    fs::rename(&packed, &place).map_err(Error::file("rename", &packed))?;

    let config = put(&blobs, &image(config, arch, &diff_id))?;
    let manifest = put(&blobs, &manifest(&config, &layer))?;
    layout::write(&dir.join("index.json"), 0o644, index(&manifest).to_string())?;
    layout::write(
        &dir.join("oci-layout"),
        0o644,
        json!({"imageLayoutVersion": "1.0.0"}).to_string(),
    )
}

fn put(blobs: &Path, value: &Value) -> Result<Blob, Error> {
    let text = value.to_string();
    let digest = Sha256::digest(&text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    layout::write(&blobs.join(&digest), 0o644, &text)?;
    Ok(Blob {
        digest,
        size: text.len() as u64,
    })
}

/// The sum of a large file. By a program, since an unoptimised build of ours takes seconds
/// for what that does in a tenth.
fn sum(path: &Path) -> Result<String, Error> {
    let answer = run("sha256sum", &["--", text(path)])?;
    match answer.split_whitespace().next() {
        Some(sum) if sum.len() == 64 => Ok(sum.to_owned()),
        _ => Err(Error::Answer {
            command: "sha256sum".to_owned(),
            answer,
        }),
    }
}

fn gzip(from: &Path, to: &Path) -> Result<(), Error> {
    let out = fs::File::create(to).map_err(Error::file("write", to))?;
    let status = Command::new("gzip")
        .args(["-1", "-n", "-c", "--", text(from)])
        .stdin(Stdio::null())
        .stdout(out)
        .status()
        .map_err(|source| Error::Start {
            command: "gzip".to_owned(),
            source,
        })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Command {
        command: format!("gzip -1 -n -c {}", from.display()),
        status: status.to_string(),
        output: String::new(),
    })
}

fn image(config: &Config, arch: &str, diff_id: &str) -> Value {
    let set = |names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| ((*name).to_owned(), json!({})))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let mut run = json!({
        "Env": config.env,
        "Cmd": config.cmd,
        "WorkingDir": config.workdir,
    });
    if !config.entrypoint.is_empty() {
        run["Entrypoint"] = json!(config.entrypoint);
    }
    if !config.ports.is_empty() {
        run["ExposedPorts"] = set(config.ports);
    }
    if !config.volumes.is_empty() {
        run["Volumes"] = set(config.volumes);
    }
    if let Some(signal) = config.stop_signal {
        run["StopSignal"] = json!(signal);
    }
    json!({
        "created": "2025-01-01T00:00:00Z",
        "architecture": arch,
        "os": "linux",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff_id}")]},
        "history": [{"created": "2025-01-01T00:00:00Z", "created_by": "provision lab"}],
    })
}

fn manifest(config: &Blob, layer: &Blob) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
    })
}

fn index(manifest: &Blob) -> Value {
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest);
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "lab"});
    json!({"schemaVersion": 2, "manifests": [entry]})
}

fn descriptor(media_type: &str, blob: &Blob) -> Value {
    json!({
        "mediaType": media_type,
        "digest": format!("sha256:{}", blob.digest),
        "size": blob.size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Value {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn every_descriptor_leads_to_a_blob_of_its_size_and_sum_and_the_diff_id_is_the_bare_tars() {
        let dir = tempfile::tempdir().unwrap();
        let tar = dir.path().join("tree.tar");
        fs::write(&tar, "not really a tar, but bytes all the same").unwrap();
        let bare = sum(&tar).unwrap();
        let out = dir.path().join("image");
        let config = Config {
            env: vec!["PATH=/bin".into()],
            entrypoint: &[],
            cmd: &["nginx", "-g", "daemon off;"],
            ports: &["80/tcp"],
            volumes: &[],
            workdir: "/",
            stop_signal: Some("SIGQUIT"),
        };
        write(&out, &tar, &config, "amd64").unwrap();

        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            let path = out.join("blobs").join(digest.replace(':', "/"));
            assert_eq!(
                fs::metadata(&path).unwrap().len(),
                descriptor["size"].as_u64().unwrap()
            );
            assert_eq!(format!("sha256:{}", sum(&path).unwrap()), digest);
            path
        };
        let index = read(&out.join("index.json"));
        let manifest = read(&blob(&index["manifests"][0]));
        blob(&manifest["layers"][0]);
        let image = read(&blob(&manifest["config"]));
        assert_eq!(image["rootfs"]["diff_ids"][0], format!("sha256:{bare}"));
        assert_eq!(image["config"]["Cmd"][2], "daemon off;");
        assert_eq!(image["config"]["ExposedPorts"], json!({"80/tcp": {}}));
        assert_eq!(image["config"]["StopSignal"], "SIGQUIT");
        assert!(image["config"].get("Entrypoint").is_none());
        assert!(!tar.exists(), "the bare tar is not kept");
    }
}
