//! What compression costs.

use super::*;

/// Prints what a view of 2,000 processes costs to encode and send, receiver not
/// included: run it with `--release --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn cost_of_compression() {
    for http in [false, true] {
        for compression in [None, Some(Compression::Zstd), Some(Compression::Gzip)] {
            let (collector, mut settings) = if http {
                let collector = Collector::http();
                let settings = http_settings(&collector);
                (collector, settings)
            } else {
                let collector = Collector::grpc();
                let settings = grpc_settings(&collector);
                (collector, settings)
            };
            settings.compression = compression;
            let mut network = Network::new(&settings).expect("a transport");
            let mut encoder = Encoder::new(&settings, HostIdentity::default());
            let mut costs = Vec::new();
            for tick in 0..15 {
                let view = view(10 + tick, (1..=2000).map(sample).collect(), vec![]);
                let begun = thread_time();
                for batch in encoder.encode(&view) {
                    assert_eq!(network.send(batch.body).await, Ok(Accepted::default()));
                }
                costs.push(thread_time() - begun);
            }
            drop(collector);
            costs.sort_unstable();
            println!("HTTP {http}, {compression:?}: {:?}", costs[costs.len() / 2]);
        }
    }
}

/// CPU time of this thread, on which all of the runtime runs.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
