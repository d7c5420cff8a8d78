//! /metrics, /healthz and /readyz: what Prometheus makes of them, who may ask, and how little
//! a bad client can do.

mod health;
mod load;
mod pages;
mod scraped;
mod serving;
mod support;
mod tls;
