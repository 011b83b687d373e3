// Milliseconds at the ranks that the report shows, from microseconds; nearest rank, as bench/client.py does it.
export function quantiles(latenciesUs) {
  const sorted = [...latenciesUs].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] / 1000;
  return { p50_ms: at(0.5), p99_ms: at(0.99), p999_ms: at(0.999) };
}
