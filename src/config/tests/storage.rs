use super::*;
#[cfg(feature = "object-store")]
use std::time::Duration;

#[cfg(feature = "object-store")]
#[test]
fn a_bucket_is_named_with_how_it_is_reached() {
    assert_eq!(with_files(&[("c.toml", "")]).unwrap().storage, None);
    let text = "[storage]\nurl = \"s3://ledger/nation/\"\nendpoints = [\"http://one:8333\", \"https://gateway\"]\n\
                region = \"cn-north-1\"\npath_style = false\nca_file = \"ca.pem\"\nproxy = \"http://proxy:3128\"\n\
                cache_bytes = \"64MiB\"\nfollow_every = \"1s\"\nstaleness_max = \"5s\"\n";
    let expected = StorageSettings {
        bucket: "ledger".to_owned(),
        prefix: "nation".to_owned(),
        endpoints: vec!["http://one:8333".to_owned(), "https://gateway".to_owned()],
        region: Some("cn-north-1".to_owned()),
        is_path_style: false,
        ca_file: Some(PathBuf::from("ca.pem")),
        proxy: Some("http://proxy:3128".to_owned()),
        cache_bytes: 64 << 20,
        follow_every: Duration::from_secs(1),
        staleness_max: Duration::from_secs(5),
    };
    assert_eq!(with_files(&[("c.toml", text)]).unwrap().storage, Some(expected));
    let plain = with_files(&[("c.toml", "[storage]\nurl = \"s3://ledger\"\n")]).unwrap().storage.unwrap();
    assert_eq!((plain.prefix.as_str(), plain.is_path_style, plain.endpoints.len()), ("", true, 0));
}

#[cfg(feature = "object-store")]
#[test]
fn what_is_no_bucket_is_refused_and_so_are_credentials_in_addresses() {
    let refused = |line: &str, text: &str| {
        expect(&problems(&format!("[storage]\n{line}\n")), &[("c.toml:2", text)]);
    };
    let refused_as_host = |endpoint: &str| {
        let text =
            format!("[storage]\npath_style = false\nendpoints = [\"https://10.example\", \"{endpoint}\"]\n");
        expect(&problems(&text), &[("c.toml:1", &format!("{endpoint} has no name"))]);
    };
    refused("url = \"https://ledger\"", "is no place in an object store");
    refused("url = \"s3://ab\"", "is no name of a bucket");
    refused("url = \"s3://Ledger\"", "is no name of a bucket");
    refused("url = \"s3://ledger/a//b\"", "is no prefix");
    refused("url = \"s3://ledger/../b\"", "is no prefix");
    refused("endpoints = [\"http://user:secret@host\"]", "credentials come");
    refused_as_host("https://10.0.0.1:8333");
    refused_as_host("https://10.0.0.1/store");
    refused_as_host("http://[::1]:8333");
    refused("staleness_max = \"2m\"", "1m");
    expect(&problems("[storage]\nfollow_every = \"2s\"\n"), &[("c.toml:1", "must be twice")]);
    refused("proxy = \"socks://host\"", "without a user");
}

#[cfg(not(feature = "object-store"))]
#[test]
fn a_program_without_object_storage_says_so() {
    expect(&problems("[storage]\nurl = \"s3://ledger\"\n"), &[("c.toml:1", "built without object storage")]);
}
