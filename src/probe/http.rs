//! The `http` probe: a new connection to the target's own address, one request, a verdict.
//!
//! The URL gives Host header and SNI and is never looked up; there is no proxy, no kept
//! connection, no resumed TLS session. Redirects are followed only where asked for, at the same
//! address. Without an expected body the verdict falls at the status line and the rest is not
//! read; otherwise at most 64 KiB are. (RFC 9110, RFC 9112)

use super::{
    Clock, READ_LIMIT, dial,
    outcome::{Outcome, Probed, Trace},
    reason,
    tcp::Search,
    trust::Trust,
};
use crate::model::{Body, FailureReason, HttpExpect, HttpProbe};
use regex::bytes::Regex;
use reqwest::{
    Client, Method, Request, Response, Url,
    header::{
        AUTHORIZATION, CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
        PROXY_AUTHORIZATION,
    },
    redirect::Policy,
};
use rustls_pki_types::ServerName;
use std::{collections::BTreeMap, net::IpAddr, net::SocketAddr, sync::Arc};
use tokio::time::{Instant, timeout_at};

/// So many redirects are followed.
const MAX_HOPS: usize = 5;
/// Stands in a URL whose host is an IP address: reqwest would connect there unasked.
const PLACEHOLDER: &str = "ip-literal.invalid";

/// HTTP clients by what they trust and whether they send a name: all that differs.
#[derive(Debug, Default)]
pub struct Clients(BTreeMap<(Trust, bool), Client>);

impl Clients {
    fn get(&mut self, trust: &Trust, sni: bool) -> Result<Client, String> {
        let key = (trust.clone(), sni);
        if let Some(client) = self.0.get(&key) {
            return Ok(client.clone());
        }
        let client = Client::builder()
            .tls_backend_preconfigured(trust.client_config(sni)?)
            .dns_resolver(Arc::new(dial::ToDial))
            .connector_layer(dial::MarkReady)
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .tcp_keepalive(None)
            .tcp_user_timeout(None)
            .user_agent(concat!("sidestep/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| reason::sentence(&error))?;
        self.0.insert(key, client.clone());
        Ok(client)
    }
}

/// An HTTP monitor made ready to run.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// Sends the URL's host as SNI.
    named: Client,
    /// Sends no SNI, for hosts that are IP addresses (RFC 6066 section 3).
    nameless: Client,
    url: Url,
    port: u16,
    method: Method,
    headers: HeaderMap,
    /// The first request to `port`, as it is sent.
    first: (Url, HeaderMap),
    follow: bool,
    expect: HttpExpect,
    regex: Option<Regex>,
}

impl Order {
    /// # Errors
    /// What of the monitor cannot be used, in words.
    pub(super) fn of(order: &HttpProbe, clients: &mut Clients) -> Result<Self, String> {
        let url = parse_url(&order.url)?;
        let port = order.port.or(url.port_or_known_default());
        let method = Method::from_bytes(order.method.as_bytes())
            .map_err(|_| format!("method '{}' is no HTTP method", order.method))?;
        let regex = match &order.expect.body {
            Some(Body::Regex(pattern)) => Some(parse_regex(pattern)?),
            _ => None,
        };
        // Plain HTTP needs no authorities, and must not fail where there are none.
        let trust = match url.scheme() == "https" || order.follow {
            true => Trust::of(order.verify, order.ca.as_deref()),
            false => Trust::Anyone,
        };
        let named = clients.get(&trust, true)?;
        // A user and password in the URL become a header.
        let template = named
            .request(method.clone(), url)
            .headers(parse_headers(&order.headers)?)
            .build()
            .map_err(|error| reason::sentence(&error))?;
        let port = port.ok_or("url has no port")?;
        let (url, headers) = (template.url().clone(), template.headers().clone());
        Ok(Self {
            named,
            nameless: clients.get(&trust, false)?,
            port,
            first: (to_port(&url, port), with_host(headers.clone(), &url)),
            url,
            method,
            headers,
            follow: order.follow,
            expect: order.expect.clone(),
            regex,
        })
    }

    /// The port where the address has none of its own.
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("url '{text}': {error}"))?;
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    usable
        .then_some(url)
        .ok_or_else(|| format!("url '{text}': write http:// or https:// with the name of the site"))
}

fn parse_regex(pattern: &str) -> Result<Regex, String> {
    // A pattern is compiled once; its memory is bounded here, its time by construction.
    let builder = regex::bytes::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build();
    builder.map_err(|error| format!("body_regex '{pattern}': {error}"))
}

fn parse_headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in given {
        let wrong = || format!("header '{name}: {value}' cannot be sent");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        headers.insert(key, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    Ok(headers)
}

/// Requests the URL of `order` from `address`, until `deadline`.
pub(super) async fn probe(order: &Order, address: SocketAddr, deadline: Instant) -> Probed {
    let clock = Clock::start();
    dial::within(address, clock, async {
        let mut trace = Trace::default();
        trace.say("asked", &format!("{} {}", order.method, order.url));
        let verdict = timeout_at(deadline, talk(order, address, clock, &mut trace)).await;
        trace.verdict_us = clock.us();
        let seen = dial::seen();
        trace.connected_us = seen.connected_us;
        trace.handshake_us = seen.handshake_us;
        let outcome = match verdict {
            Err(_) => {
                trace.explain_timeout();
                Outcome::bad(FailureReason::Timeout)
            }
            Ok(Ok(None)) => Outcome::good(trace.verdict_us),
            Ok(Ok(Some(reason))) => Outcome::bad(reason),
            Ok(Err(error)) => {
                trace.explain(&reason::sentence(&error));
                reason::outcome_of(&error, address, FailureReason::Closed)
            }
        };
        if let Some(certificate) = &seen.certificate {
            trace.say("certificate", &certificate.words);
            // It was seen before any answer, after the question.
            trace.seen[1..].rotate_right(1);
        }
        let outcome = outcome.with_cert_days(seen.cert_days());
        Probed { outcome, trace }
    })
    .await
}

/// `None` where all went well.
async fn talk(
    order: &Order,
    address: SocketAddr,
    clock: Clock,
    trace: &mut Trace,
) -> reqwest::Result<Option<FailureReason>> {
    let mut hop = Hop {
        url: order.url.clone(),
        method: order.method.clone(),
        is_first: true,
    };
    for _ in 0..=MAX_HOPS {
        let response = hop.send(order, address).await?;
        trace.first_byte_us.get_or_insert_with(|| clock.us());
        trace.say("answered", response.status().to_string().trim_end());
        match hop.next(&response).filter(|_| order.follow) {
            Some(next) => {
                trace.say("followed to", next.url.as_str());
                hop = next;
            }
            None => return judge(order, response, trace).await,
        }
    }
    trace.note = Some(format!("more than {MAX_HOPS} redirects"));
    Ok(Some(FailureReason::Status))
}

/// One request of a chain of redirects.
struct Hop {
    url: Url,
    method: Method,
    is_first: bool,
}

impl Hop {
    async fn send(&self, order: &Order, address: SocketAddr) -> reqwest::Result<Response> {
        let ip = literal(&self.url);
        let client = match ip {
            Some(_) => &order.nameless,
            None => &order.named,
        };
        let (url, headers) = if self.is_first && address.port() == order.port {
            order.first.clone()
        } else {
            self.made_ready(order, address)
        };
        let port = url.port_or_known_default().unwrap_or(address.port());
        dial::aim(port, ip.map(|ip| ServerName::IpAddress(ip.into())));
        let mut request = Request::new(self.method.clone(), url);
        *request.headers_mut() = headers;
        client.execute(request).await
    }

    /// Where this goes and with which headers.
    fn made_ready(&self, order: &Order, address: SocketAddr) -> (Url, HeaderMap) {
        let at_home = self.url.origin() == order.url.origin();
        let mut headers = order.headers.clone();
        if !at_home {
            // What was meant for one site is not shown to another.
            for secret in [HOST, AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
                headers.remove(secret);
            }
        }
        let own_port = self.url.port_or_known_default();
        let port = own_port.filter(|_| !at_home).unwrap_or(address.port());
        (to_port(&self.url, port), with_host(headers, &self.url))
    }

    /// Where `response` redirects to, if it does.
    fn next(&self, response: &Response) -> Option<Self> {
        let status = response.status().as_u16();
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        let url = self.url.join(location).ok()?;
        let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
        // RFC 9110 section 15.4: after 303, and by custom after POST, the method is GET.
        let becomes_get = (status == 303 && self.method != Method::HEAD)
            || (matches!(status, 301 | 302) && self.method == Method::POST);
        usable.then(|| Self {
            is_first: false,
            url,
            method: if becomes_get {
                Method::GET
            } else {
                self.method.clone()
            },
        })
    }
}

/// `url` as reqwest is to connect to it.
fn to_port(url: &Url, port: u16) -> Url {
    let mut url = url.clone();
    if literal(&url).is_some() {
        url.set_host(Some(PLACEHOLDER))
            .expect("the placeholder is a host name");
    }
    // The port of the URL would go before the dial's.
    url.set_port(Some(port)).expect("http URLs can have a port");
    url
}

/// `headers` with the Host of `url`, where they name none.
fn with_host(mut headers: HeaderMap, url: &Url) -> HeaderMap {
    if let Some(host) = host_header(url).filter(|_| !headers.contains_key(HOST)) {
        headers.insert(HOST, host);
    }
    headers
}

/// The Host header of `url`: the port is named where it is not the scheme's (RFC 9110
/// section 7.2).
fn host_header(url: &Url) -> Option<HeaderValue> {
    let host = url.host_str()?;
    let text = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    HeaderValue::from_str(&text).ok()
}

/// The host where it is an IP address.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        url::Host::Ipv4(ip) => Some(ip.into()),
        url::Host::Ipv6(ip) => Some(ip.into()),
        url::Host::Domain(_) => None,
    }
}

/// Whether the last answer of the chain is what `order` expects.
async fn judge(
    order: &Order,
    mut response: Response,
    trace: &mut Trace,
) -> reqwest::Result<Option<FailureReason>> {
    let status = response.status().as_u16();
    if !order.expect.status.contains(status) {
        trace.note = Some(format!("status {status}"));
        return Ok(Some(FailureReason::Status));
    }
    let Some(expected) = &order.expect.body else {
        trace.say("body", "not read: none is expected");
        return Ok(None);
    };
    let text = match expected {
        Body::Contains(text) => text.as_str(),
        // Never found piece by piece: `$` and the like need the whole.
        Body::Regex(_) => "",
    };
    let by_text = order.regex.is_none();
    let mut search = Search::new(text);
    let mut found = false;
    while !found && !search.is_full() {
        let Some(piece) = response.chunk().await? else {
            break;
        };
        found = search.feed(&piece) && by_text;
    }
    let matches = match &order.regex {
        Some(regex) => regex.is_match(search.seen()),
        None => found || text.is_empty(),
    };
    let length = search.seen().len();
    let end = match length >= READ_LIMIT {
        true => ", and no more is read",
        false => "",
    };
    trace.say("body", &format!("{length} bytes read{end}"));
    if !matches {
        trace.explain("the body is not as expected");
    }
    Ok((!matches).then_some(FailureReason::Body))
}
