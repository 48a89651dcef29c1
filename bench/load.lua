-- What wrk sends: one request of the environment, again and again. With BENCH_IDS each asks for another random id
-- of that file; an @N@ in BENCH_BODY is the number of the request; with BENCH_PACE_MS each connection waits that long
-- before its next request, give or take a half.
local method, path = os.getenv("BENCH_METHOD") or "GET", os.getenv("BENCH_PATH")
local headers = { ["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY") }
local body, pace_ms, ids = os.getenv("BENCH_BODY"), tonumber(os.getenv("BENCH_PACE_MS") or "0"), {}

if body then headers["Content-Type"] = "application/json" end
if os.getenv("BENCH_ETAG") then headers["If-None-Match"] = os.getenv("BENCH_ETAG") end

function init()
  math.randomseed(os.time())
  if os.getenv("BENCH_IDS") then
    for id in io.lines(os.getenv("BENCH_IDS")) do ids[#ids + 1] = id end
  end
end

local sent = 0

function request()
  local id = #ids > 0 and ids[math.random(#ids)] or ""
  sent = sent + 1
  return wrk.format(method, path .. id, headers, body and body:gsub("@N@", sent))
end

if pace_ms > 0 then
  function delay() return math.random(math.floor(pace_ms / 2), math.floor(pace_ms * 3 / 2)) end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'BENCH {"requests": %d, "duration_us": %d, "bytes": %d, "errors": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
