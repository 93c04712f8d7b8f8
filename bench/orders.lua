-- The requests that wrk sends, and its report: one line of JSON that starts with "RESULT ".
local body, authorization = os.getenv("BENCH_BODY"), os.getenv("BENCH_AUTHORIZATION")
wrk.method = os.getenv("BENCH_METHOD")
if body ~= "" then
  wrk.body = body
  wrk.headers["Content-Type"] = "application/json"
end
if authorization ~= "" then
  wrk.headers["Authorization"] = authorization
end

local paths, requests = {}, {}
for path in string.gmatch(os.getenv("BENCH_PATHS"), "[^\n]+") do
  table.insert(paths, path)
end
if #paths > 0 then
  local number = 0
  function request()
    number = number % #paths + 1
    requests[number] = requests[number] or wrk.format(nil, paths[number])
    return requests[number]
  end
end

function done(summary, latency, _)
  local errors = summary.errors
  local without_response = errors.connect + errors.read + errors.write + errors.timeout

  -- wrk's percentiles leave out requests without a response. Here, these count as slower than all others. (Error
  -- responses are part of wrk's percentiles, but bench.measure rejects a result that contains one.)
  local function percentile(share)
    local rank = share / 100 * (summary.requests + without_response)
    if rank > summary.requests then
      return "null"
    end
    return string.format("%f", latency:percentile(100 * rank / summary.requests) / 1e3)
  end

  io.write(string.format(
    'RESULT {"succeeded": %d, "seconds": %f, "failed": %d, "error_responses": %d, "p50_ms": %s, "p99_ms": %s}\n',
    summary.requests - errors.status, summary.duration / 1e6, errors.status + without_response,
    errors.status, percentile(50), percentile(99)))
end
