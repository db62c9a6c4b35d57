-- What wrk sends: the README's first request with other values of x1 and x2 each time, and every
-- hundredth time with a graph that was never sent before. All requests have the same length. To /Gradient it sends
-- UM-Bridge's request for the same gradient.
--
--     wrk ... -s http.lua URL -- ROUND [check]
--
-- Where GRADD_BENCH_TOKEN is set, it is sent along. With "check" it asks for float64 and checks every answer: x2 can be read off an answer, and the rest
-- of a request follows from its x2.

local format = string.format
local head = "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
  .. "Content-Length: %d\r\n\r\n"
local token = os.getenv("GRADD_BENCH_TOKEN")
if token then head = head:gsub("\r\n\r\n$", "\r\nAuthorization: Bearer " .. token .. "\r\n\r\n") end
local body = '{"graph":"z = (x1 + %s) * x2 ** 2","variables":{"x1":%.6f,"x2":%.6f}}'
local threads = {}
local k

wrong = 0
example = ""

function setup(thread)
  thread:set("id", #threads)
  table.insert(threads, thread)
end

function init(args)
  if wrk.path == "/Gradient" then
    body = '{"name":"forward","outWrt":0,"inWrt":0,"config":{"plus":%s},"input":[[%.6f,%.6f]],"sens":[1.0]}'
    response = nil
  elseif args[2] == "check" then
    body = body:gsub("}}$", '},"dtype":"float64"}')
  else
    response = nil
  end
  head = format(head, wrk.path, #format(body, "5.000000", 1, 1))
  -- Each thread has a beginning of its own, and each run of wrk too.
  k = id * 3000017 + tonumber(args[1]) * 500009
end

-- Request number m, where x2 = 1 + m / 1e6 and 0 <= m < 9,000,000: the graph's literal as text, and x1.
local function parts(m)
  local c = m % 100 > 0 and "5.000000" or format("%.6f", 1 + m * 13 % 8999989 / 1e6)
  return c, 1 + m * 31 % 8999993 / 1e6
end

function request()
  k = k + 1
  local m = k * 7 % 9000000
  local c, x1 = parts(m)
  return head .. format(body, c, x1, 1 + m / 1e6)
end

local function close(a, b)
  return math.abs(a - b) < 1e-12 * b
end

function response(status, headers, text)
  local z, dx1, dx2 = text:match('^{"value":([%d.]+),"gradient":{"x1":([%d.]+),"x2":([%d.]+)}}$')
  if status == 200 and z then
    local m = math.floor((math.sqrt(dx1) - 1) * 1e6 + 0.5)
    local x2 = 1 + m / 1e6
    local c, x1 = parts(m)
    if close(z, (x1 + c) * x2 * x2) and close(dx1, x2 * x2) and close(dx2, 2 * (x1 + c) * x2) then
      return
    end
  end
  wrong = wrong + 1
  example = status .. " " .. text
end

-- One line: requests a second, p50 and p99 in microseconds, answers that were not 2xx, socket errors,
-- answers that the check refused, and how many answers there were.
function done(summary, latency)
  local e = summary.errors
  local refused = 0
  for _, thread in ipairs(threads) do
    refused = refused + thread:get("wrong")
    if thread:get("wrong") > 0 then
      io.stderr:write("http.lua: a wrong answer: ", thread:get("example"), "\n")
    end
  end
  io.write(format("RESULT %.0f %.0f %.0f %d %d %d %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50), latency:percentile(99), e.status, e.connect + e.read + e.write + e.timeout,
    refused, summary.requests))
end
