//! What of a command line may be shown: secrets in it are not.
//!
//! Which argument is one, its name alone can tell. So whatever follows a word
//! that speaks of a secret is taken for one, to the end of the argument:
//! rather an innocent word too many than a secret. A secret without a name
//! (`-pX`, a password among the operands) cannot be known.

/// What stands where a secret was.
const REDACTED: &str = "REDACTED";

/// Parts of names that speak of a secret: `password`, `passphrase`, `api_key`,
/// `credentials`, `Authorization`...
const SECRET: &[&str] = &["pass", "pwd", "secret", "token", "key", "cred", "auth"];

/// The arguments of a command without their secrets.
pub fn redact<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut secret_follows = false;
    let redact = |(index, argument): (usize, &str)| {
        let (text, names_secret) = redact_one(argument);
        let is_secret = std::mem::replace(&mut secret_follows, index > 0 && names_secret);
        if is_secret { REDACTED.to_owned() } else { text }
    };
    arguments.into_iter().enumerate().map(redact).collect()
}

/// An argument without its secrets, and whether it is the name of one that
/// follows it.
fn redact_one(argument: &str) -> (String, bool) {
    let text = without_user(argument);
    let lower = text.to_ascii_lowercase();
    let Some(name) = SECRET.iter().filter_map(|word| lower.find(word)).min() else {
        return (text, false);
    };
    let is_end = |c: char| matches!(c, '=' | ':') || c.is_whitespace();
    match lower[name..].find(is_end) {
        // The name's end may be a blank of more bytes than one.
        Some(end) => {
            let end = name + end;
            let end = end + text[end..].chars().next().map_or(0, char::len_utf8);
            (format!("{}{REDACTED}", &text[..end]), false)
        }
        None => {
            let is_path = text.contains('/');
            (text, !is_path)
        }
    }
}

/// Without `user:password` before the host of a URL, or of what looks like one.
fn without_user(argument: &str) -> String {
    let Some((before, host)) = argument.rsplit_once('@') else {
        return argument.to_owned();
    };
    if !before.contains(':') {
        return argument.to_owned();
    }
    let scheme = before.find("://").map(|at| at + "://".len());
    // `--target=user:password@host` is one without a scheme.
    let begin = scheme.or_else(|| before.find('=').map(|at| at + 1));
    // Another one may stand before that.
    let begin = begin.filter(|begin| !before[..*begin].contains('@'));
    format!("{}{REDACTED}@{host}", &before[..begin.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redacted(line: &[&str]) -> Vec<String> {
        redact(line.iter().copied())
    }

    #[test]
    fn values_of_options_and_variables_whose_names_speak_of_secrets_are_redacted() {
        for name in [
            "password",
            "passwd",
            "db-passphrase",
            "secret",
            "token",
            "api_key",
            "KEY",
            "credentials",
            "auth",
            "PGPASSWORD",
            "AWS_SECRET_ACCESS_KEY",
            "apiKey",
        ] {
            for form in ["--", "-", "/", ""] {
                for separator in ["=", ":", " "] {
                    let shown = redacted(&["cmd", &format!("{form}{name}{separator}x=y z")]);
                    assert_eq!(shown[1], format!("{form}{name}{separator}REDACTED"));
                }
            }
            for form in ["--", "-", ""] {
                let option = format!("{form}{name}");
                let shown = redacted(&["cmd", &option, "hunter2", "last"]);
                assert_eq!(shown[1..], [&option, "REDACTED", "last"]);
            }
        }
    }

    #[test]
    fn a_secret_that_looks_like_an_option_is_redacted_and_an_option_does_not_hide_the_next() {
        assert_eq!(redacted(&["c", "--password", "-x"])[2], "REDACTED");
        let shown = redacted(&["c", "--use-token", "--password", "hunter2"]);
        assert_eq!(shown, ["c", "--use-token", "REDACTED", "REDACTED"]);
    }

    #[test]
    fn the_user_of_a_url_is_redacted() {
        for (argument, shown) in [
            (
                "https://me:hunter2@host/x?y=1",
                "https://REDACTED@host/x?y=1",
            ),
            (
                "--url=postgres://me:hun/t@er2@host:5432/db",
                "--url=postgres://REDACTED@host:5432/db",
            ),
            ("https://hunter2@host", "https://REDACTED@host"),
            ("me:hunter2@host", "REDACTED@host"),
            ("--target=me:hunter2@host", "--target=REDACTED@host"),
            (
                "redis://a:hunter2@h1,redis://b:hunter2@h2",
                "redis://REDACTED@h2",
            ),
        ] {
            assert_eq!(redacted(&["c", argument]), ["c", shown]);
        }
    }

    #[test]
    fn secrets_in_the_middle_of_an_argument_are_redacted() {
        for (argument, shown) in [
            (
                "host=db password=hunter2 user=me",
                "host=db password=REDACTED",
            ),
            ("{\"token\": \"hunter2\"}", "{\"token\":REDACTED"),
            (
                "https://h/?a=1&access_token=hunter2",
                "https://h/?a=1&access_token=REDACTED",
            ),
            ("Authorization: Bearer hunter2", "Authorization:REDACTED"),
            ("mysql --password hunter2 -e x", "mysql --password REDACTED"),
        ] {
            assert_eq!(redacted(&["sh", "-c", argument]), ["sh", "-c", shown]);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for line in [
            &["nginx", "-g", "daemon off;", "-c", "/etc/nginx/nginx.conf"][..],
            &["scp", "me@host:/x", "/tmp/y=z"],
            &["/usr/bin/passwd", "root"],
            &["cat", "/etc/auth/keys", "next"],
            &["git", "clone", "git@host:x/y.git"],
            &[],
        ] {
            assert_eq!(redacted(line), line);
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_around_it_a_named_secret_is_gone(
            before in "\\PC{0,12}", name in "(PASSWORD|api-Token|secret)", after in "\\PC{0,12}",
        ) {
            let argument = format!("{before}{name}=hunter2{after}");
            let shown = redacted(&["c", &argument]);
            prop_assert!(!shown[1].contains("hunter2"), "{:?}", shown);
        }
    }
}
